"""Webhooks of the server and of each tenant: choose the one for an event."""

import asyncio
from collections.abc import Sequence

from audio_model.gateway.config.settings import Webhook
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.config.values import Secret
from audio_model.gateway.events import Event
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.spool import Spool
from audio_model.gateway.outlets.webhooks import Webhooks


class Hooks:
    """Posts the events of a tenant to its own webhook; all others, if it has none, to the server's.

    Each has a queue of its own, so a tenant's slow receiver holds nobody else up.
    """

    def __init__(self, webhook: Webhook, tenants: Sequence[Tenant], metrics: Metrics) -> None:
        """Make the webhooks. Raises UsageError if the folder of the spool can't be used."""
        self._webhook, self._metrics = webhook, metrics
        self._own = None if webhook.secret is None else self._made(webhook.url, webhook.secret)
        self._by_tenant: dict[str, Webhooks] = {}
        self._leaving: list[Webhooks] = []
        self._change_tenants(tenants)

    def add(self, event: Event, body: bytes) -> None:
        """Post an event to the webhook that it concerns."""
        hooks = self._by_tenant.get(event.call.tenant, self._own)
        if hooks is not None:
            hooks.add(event, body)

    def post(self, body: bytes) -> None:
        """Post JSON that concerns the whole server."""
        if self._own is not None:
            self._own.post(body)

    def change(self, webhook: Webhook, tenants: Sequence[Tenant]) -> None:
        """Use these webhooks from now on. Raises UsageError for a spool that can't be used."""
        self._webhook = webhook
        if self._own is not None and webhook.secret is not None:
            self._own.change(webhook.url, webhook.secret, webhook.retries)
        self._change_tenants(tenants)

    async def close(self, within: float) -> None:
        """Post what is waiting, for at most so many seconds."""
        own = [] if self._own is None else [self._own]
        everyone = [*own, *self._by_tenant.values(), *self._leaving]
        await asyncio.gather(*(hooks.close(within) for hooks in everyone))

    def _change_tenants(self, tenants: Sequence[Tenant]) -> None:
        wanted = {tenant.name: tenant for tenant in tenants if tenant.webhook_secret is not None}
        for name in self._by_tenant.keys() - wanted.keys():
            # What waits is still posted.
            self._leaving.append(self._by_tenant.pop(name))
        for name, tenant in wanted.items():
            assert tenant.webhook_secret is not None
            if name in self._by_tenant:
                self._by_tenant[name].change(
                    tenant.webhook_url, tenant.webhook_secret, self._webhook.retries
                )
            else:
                self._by_tenant[name] = self._made(tenant.webhook_url, tenant.webhook_secret, name)

    def _made(self, url: str, secret: Secret, tenant: str = "") -> Webhooks:
        webhook = self._webhook
        spool = None if webhook.spool is None else Spool(webhook.spool / tenant)
        return Webhooks(
            url,
            secret,
            self._metrics,
            retries=webhook.retries,
            connections=webhook.connections,
            batch=webhook.batch,
            spool=spool,
        )
