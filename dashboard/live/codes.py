"""With which code the dashboard's socket is closed, and what the page does then."""

from enum import IntEnum


class Close(IntEnum):
    """daphne can close only with 1000 or 3000–4999; it sends 1000 itself when a socket is a day old."""

    #: The session ended or the user was disabled: the whole page goes to sign-in.
    SIGNED_OUT = 4401
    #: Signed in, but no longer staff: a reload shows why.
    FORBIDDEN = 4403
    #: The address names a connection that is not configured.
    UNKNOWN = 4404
    #: It stopped reading; whatever it missed is sent when it comes back.
    NOT_READING = 4408
    #: It sent what no page sends.
    MISBEHAVED = 4429
    #: Too many sockets, or nobody can say now who may look: come back later.
    LATER = 4503


#: `hx-config`'s `ws.reconnectCodes`: after these the page connects again by itself; after any other it does not.
RECONNECT = (1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, int(Close.NOT_READING), int(Close.LATER))
