"""What can go wrong in training, each with its facts and a remedy. Knows no exit code."""


class TrainingError(Exception):
    """Any refusal by a trainer; catching it catches all of them."""


class OptionError(TrainingError):
    """An option is out of range or contradicts another; the message begins with its name."""


class DataError(TrainingError):
    """The folder of text holds nothing, or too little, to learn from; the message counts why."""


class CheckpointError(TrainingError):
    """A checkpoint is damaged or belongs to another run."""


class DivergedError(TrainingError):
    """The loss is no longer a number; the last checkpoint is from before."""
