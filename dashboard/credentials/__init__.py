"""Who a program is: by API key, token or session; one answer for HTTP and for sockets.

`identifying.identify(headers, cookies, token=…)` gives an `Identity`, or raises `queues.errors.Unauthorized`; `recheck`
beside it is for streams that live long: what its holder may now, or None. Nothing is imported here: workers ask `keys`
what a key may, and need neither tokens nor a client of HTTP for that.
"""
