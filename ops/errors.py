"""What goes wrong in a delivery and is told in one line."""


class DeliveryError(Exception):
    """A step cannot go on; the message says what is wrong and what to do."""
