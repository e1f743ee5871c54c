"""Making one contact through a provider, as a test says it."""

from syncd.core.model import Contact
from syncd.errors import ProviderError
from syncd.ports.provider import Provider


def make_contact(provider: Provider, contact: Contact) -> Contact:
    """Make a contact; what stood in the way is raised."""
    (answer,) = provider.create_contacts([contact])
    if isinstance(answer, ProviderError):
        raise answer
    return answer
