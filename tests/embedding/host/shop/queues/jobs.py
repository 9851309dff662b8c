from queues import processor


@processor("receipts")
async def print_receipt(job):
    if job.attempt == 1:
        raise ValueError("out of paper")
    return "printed"
