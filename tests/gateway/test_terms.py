"""Terms: the server's, a tenant's, and what a URL asks for, in this order."""

import pytest

from audio_model.errors import UsageError
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.config.values import Secret
from audio_model.gateway.terms import Terms

SERVER = Terms(4.0, 10.0, None, 0.01)


def test_a_tenant_leaves_unsaid_what_is_as_for_everybody() -> None:
    tenant = Tenant("acme", Secret("t"), deadline_seconds=2.5, max_legs=3)
    assert SERVER.of(tenant) == Terms(2.5, 10.0, None, 0.01, "acme", 3)
    assert SERVER.of(None) is SERVER


def test_a_url_asks_for_terms_of_its_call() -> None:
    tenant = Tenant("acme", Secret("t"), deadline_seconds=2.5)
    query = {"deadline": "1.5", "wait": "0", "listen": "3", "budget": "0.001", "caller": "1"}
    assert SERVER.of(tenant).asked(query) == Terms(1.5, 0.0, 3.0, 0.001, "acme")
    assert SERVER.asked({"caller": "1"}) is SERVER


@pytest.mark.parametrize(
    ("name", "value"),
    [("deadline", "0"), ("deadline", "soon"), ("wait", "-1"), ("listen", "nan"), ("budget", "2")],
)
def test_what_can_not_be_had_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} must be a number.*not '{value}'"):
        SERVER.asked({name: value})
