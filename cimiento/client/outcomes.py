"""What a job came to."""

from cimiento.client.errors import JobFailedError
from cimiento.client.models import Job


def check_searchable(job: Job) -> Job:
    """The job where it went well. Raises `JobFailedError`."""
    if job.state == "searchable":
        return job
    if job.error is not None:
        raise JobFailedError(
            job.id, job.error.code, job.error.message, retryable=job.error.retryable
        )
    raise JobFailedError(job.id, job.state, f"the job was {job.state}", retryable=True)
