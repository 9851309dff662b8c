"""Bull Board's API below `/admin/queues/api`: its paths, shapes and status codes, so that its clients go on."""
