"""Asks the sidecar's API: `Client` waits for the answers, `AsyncClient` has the same methods to be awaited.

    with tollkeeper.Client() as client:
        print(client.usage(days=7, group_by="tenant").total_cost)

The address is `url`, else `TOLLKEEPER_URL`, else `http://127.0.0.1:4318`; `unix:///PATH` is a socket. The key is `key`,
else `TOLLKEEPER_API_KEY`. Every error is an `ApiError`.
"""

from tollkeeper.client import (
    administration,
    advice,
    alerting,
    asks,
    detecting,
    emergencies,
    forecasting,
    limiting,
    observing,
    people,
    reconciling,
    reporting,
)
from tollkeeper.client.errors import ApiError, Invalid, KeyRefused, NotFound, Outdated, Unavailable, Unreachable
from tollkeeper.client.operation import Operation
from tollkeeper.client.transport import AsyncConnection, Connection


class Operations:
    """Everything that can be asked."""

    status = Operation(asks.status)
    stats = Operation(asks.stats)
    usage = Operation(asks.usage)
    calls = Operation(asks.calls)
    call = Operation(asks.call)
    orphans = Operation(asks.orphans)
    overview = Operation(asks.overview)
    health = Operation(asks.health)
    prices = Operation(administration.prices)
    price = Operation(administration.price)
    price_history = Operation(administration.price_history)
    effective_price = Operation(administration.effective_price)
    model_prices = Operation(administration.model_prices)
    unpriced = Operation(administration.unpriced)
    add_price = Operation(administration.add_price)
    change_price = Operation(administration.change_price)
    schedule_price = Operation(administration.schedule_price)
    withdraw_price = Operation(administration.withdraw_price)
    cancel_price = Operation(administration.cancel_price)
    preview_price = Operation(administration.preview_price)
    reprice = Operation(administration.reprice)
    audit = Operation(administration.audit)
    verify_audit = Operation(administration.verify_audit)
    settings = Operation(administration.settings)
    keys = Operation(administration.keys)
    create_key = Operation(administration.create_key)
    revoke_key = Operation(administration.revoke_key)
    users = Operation(people.users)
    user = Operation(people.user)
    create_user = Operation(people.create_user)
    change_user = Operation(people.change_user)
    set_user_password = Operation(people.set_user_password)
    sessions = Operation(people.sessions)
    end_session = Operation(people.end_session)
    end_user_sessions = Operation(people.end_user_sessions)
    me = Operation(people.me)
    set_own_password = Operation(people.set_own_password)
    own_sessions = Operation(people.own_sessions)
    end_own_sessions = Operation(people.end_own_sessions)
    limits = Operation(limiting.limits)
    limit_usage = Operation(limiting.limit_usage)
    in_flight = Operation(limiting.in_flight)
    limit_agreement = Operation(limiting.limit_agreement)
    rebuild_limits = Operation(limiting.rebuild_limits)
    check = Operation(limiting.check)
    policy = Operation(limiting.policy)
    set_policy = Operation(limiting.set_policy)
    policy_history = Operation(limiting.policy_history)
    backtest = Operation(limiting.backtest)
    quotas = Operation(limiting.quotas)
    quota = Operation(limiting.quota)
    set_quota = Operation(limiting.set_quota)
    reset_quota = Operation(limiting.reset_quota)
    remove_quota = Operation(limiting.remove_quota)
    claim_alert = Operation(limiting.claim_alert)
    emergency = Operation(emergencies.emergency)
    enter_emergency = Operation(emergencies.enter_emergency)
    leave_emergency = Operation(emergencies.leave_emergency)
    provider_health = Operation(observing.provider_health)
    provider_comparison = Operation(observing.provider_comparison)
    provider_keys = Operation(observing.provider_keys)
    patterns = Operation(observing.patterns)
    prompt_caches = Operation(observing.prompt_caches)
    benchmarks = Operation(observing.benchmarks)
    set_benchmark = Operation(observing.set_benchmark)
    remove_benchmark = Operation(observing.remove_benchmark)
    alerts = Operation(alerting.alerts)
    alert = Operation(alerting.alert)
    acknowledge_alert = Operation(alerting.acknowledge_alert)
    forecasts = Operation(forecasting.forecasts)
    anomalies = Operation(detecting.anomalies)
    anomaly = Operation(detecting.anomaly)
    acknowledge_anomaly = Operation(detecting.acknowledge_anomaly)
    label_anomaly = Operation(detecting.label_anomaly)
    silences = Operation(alerting.silences)
    silence = Operation(alerting.silence)
    end_silence = Operation(alerting.end_silence)
    channels = Operation(alerting.channels)
    channel = Operation(alerting.channel)
    set_channel = Operation(alerting.set_channel)
    remove_channel = Operation(alerting.remove_channel)
    test_channel = Operation(alerting.test_channel)
    notifications = Operation(alerting.notifications)
    retry_notification = Operation(alerting.retry_notification)
    reconciliations = Operation(reconciling.reconciliations)
    fetch_invoices = Operation(reconciling.fetch_invoices)
    import_invoice = Operation(reconciling.import_invoice)
    adjust_to_invoice = Operation(reconciling.adjust_to_invoice)
    reports = Operation(reporting.reports)
    report = Operation(reporting.report)
    report_file = Operation(reporting.report_file)
    report_schedules = Operation(reporting.report_schedules)
    set_report_schedule = Operation(reporting.set_report_schedule)
    remove_report_schedule = Operation(reporting.remove_report_schedule)
    what_if = Operation(advice.what_if)
    recommendations = Operation(advice.recommendations)
    recommendation = Operation(advice.recommendation)
    accept_recommendation = Operation(advice.accept_recommendation)
    dismiss_recommendation = Operation(advice.dismiss_recommendation)


class Client(Connection, Operations):
    """Asks, and waits for the answer. Can be shared between threads; a context manager, or `close()` it."""


class AsyncClient(AsyncConnection, Operations):
    """Asks; the answers are to be awaited. An async context manager, or await `aclose()`."""


__all__ = [
    "ApiError", "AsyncClient", "Client", "Invalid", "KeyRefused", "NotFound", "Outdated", "Unavailable", "Unreachable",
]  # fmt: skip
