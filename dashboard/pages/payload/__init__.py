"""What a job carries, as it is read: fields, JSON, logs, files."""
