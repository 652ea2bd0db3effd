//! What is counted and measured, through the [`metrics`](https://docs.rs/metrics) facade.

use std::time::SystemTime;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::protocol::code::ResetReason;

/// The handles of one `Live`, taken from the recorder that is installed when it is built; without one
/// they do nothing.
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) subscriptions: Gauge,
    pub(crate) events: Counter,
    pub(crate) events_lost: Counter,
    pub(crate) withheld: Counter,
    pub(crate) rereads: Counter,
    pub(crate) frames: Counter,
    pub(crate) writes: Counter,
    pub(crate) blocked: Gauge,
    pub(crate) pending: Gauge,
    pub(crate) lags: Counter,
    pub(crate) panics: Counter,
    write_to_send: Histogram,
    denials: [(Denial, Counter); 5],
    resets: [(ResetReason, Counter); 7],
}

/// Why something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// A foreign web page.
    Origin,
    /// More connections than there may be.
    Connections,
    /// `authorize` said no, or could not say yes.
    Authorize,
    /// It was said no to afterwards.
    Revoked,
    /// More messages, resumes or subscriptions than there may be.
    Rate,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe();
        Self {
            connections: gauge!("rest_live_connections"),
            subscriptions: gauge!("rest_live_subscriptions"),
            events: counter!("rest_live_events_total"),
            events_lost: counter!("rest_live_events_lost_total"),
            withheld: counter!("rest_live_events_withheld_total"),
            rereads: counter!("rest_live_rows_settled_total"),
            frames: counter!("rest_live_frames_total"),
            writes: counter!("rest_live_writes_total"),
            blocked: gauge!("rest_live_blocked_connections"),
            pending: gauge!("rest_live_pending_frames"),
            lags: counter!("rest_live_lags_total"),
            panics: counter!("rest_live_panics_total"),
            write_to_send: histogram!("rest_live_write_to_send_seconds"),
            denials: [
                Denial::Origin,
                Denial::Connections,
                Denial::Authorize,
                Denial::Revoked,
                Denial::Rate,
            ]
            .map(|why| {
                let counter = counter!("rest_live_denials_total", "reason" => why.as_str());
                (why, counter)
            }),
            resets: [
                ResetReason::Epoch,
                ResetReason::Expired,
                ResetReason::Ahead,
                ResetReason::TooFar,
                ResetReason::Lagged,
                ResetReason::NodeLost,
                ResetReason::Bulk,
            ]
            .map(|why| {
                let counter = counter!("rest_live_resets_total", "reason" => why.as_str());
                (why, counter)
            }),
        }
    }

    /// Counts what a client was denied.
    pub(crate) fn denied(&self, why: Denial) {
        count(&self.denials, why, 1);
    }

    /// Counts the resets that a client is told.
    pub(crate) fn reset(&self, why: ResetReason, times: usize) {
        count(&self.resets, why, times);
    }

    /// Measures the way of a change from its capture to the socket.
    pub(crate) fn sent(&self, captured: SystemTime) {
        // A clock that was set back in between says nothing.
        if let Ok(passed) = captured.elapsed() {
            self.write_to_send.record(passed);
        }
    }
}

fn count<W: Copy + PartialEq>(counters: &[(W, Counter)], why: W, times: usize) {
    if let Some((_, counter)) = counters.iter().find(|(of, _)| *of == why) {
        counter.increment(times as u64);
    }
}

impl Denial {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Connections => "connections",
            Self::Authorize => "authorize",
            Self::Revoked => "revoked",
            Self::Rate => "rate",
        }
    }
}

fn describe() {
    describe_gauge!("rest_live_connections", "Connections that are served now");
    describe_gauge!(
        "rest_live_subscriptions",
        "Subscriptions of all connections now"
    );
    describe_counter!(
        "rest_live_events_total",
        "Row changes that the dispatcher took from the log"
    );
    describe_counter!(
        "rest_live_events_lost_total",
        "Row changes that the log did not take: the rows are written, nobody is told"
    );
    describe_counter!(
        "rest_live_events_withheld_total",
        "Row changes in plain transactions, whose end nobody sees: the rows are written, nobody is told"
    );
    describe_counter!(
        "rest_live_rows_settled_total",
        "Rows that were read again because writes of them overlapped"
    );
    describe_counter!(
        "rest_live_frames_total",
        "Frames that were written to sockets"
    );
    describe_counter!(
        "rest_live_writes_total",
        "Writes to sockets: so many frames leave at once as there are frames for each write"
    );
    describe_gauge!(
        "rest_live_blocked_connections",
        "Connections whose clients take nothing now of what waits for them"
    );
    describe_gauge!(
        "rest_live_pending_frames",
        "Frames that wait for slow clients now"
    );
    describe_counter!(
        "rest_live_lags_total",
        "Times that a client was too slow and lost what waited for it"
    );
    describe_counter!(
        "rest_live_resets_total",
        "Resets that clients were told, by reason"
    );
    describe_counter!(
        "rest_live_denials_total",
        "What clients were denied, by reason: origin, connections, authorize, revoked, rate"
    );
    describe_counter!(
        "rest_live_panics_total",
        "Panics of permissions and serializers"
    );
    describe_histogram!(
        "rest_live_write_to_send_seconds",
        Unit::Seconds,
        "Time from the capture of a change to its write to a socket, of the oldest change of each write"
    );
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
