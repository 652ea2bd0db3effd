//! The metrics of one `Live`, through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Every part of the runtime records into the same handles. The names are part of the public
//! interface: `docs/guide/operations.md` lists them.

use std::time::SystemTime;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::{hub::clients::send_queue::PendingLimit, protocol::code::ResetReason};

/// The metric handles of one `Live`. They belong to the recorder that is installed when the `Live`
/// is built. Without a recorder they do nothing.
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) subscriptions: Gauge,
    pub(crate) authorize_waiting: Gauge,
    pub(crate) events: Counter,
    pub(crate) events_lost: Counter,
    pub(crate) withheld: Counter,
    pub(crate) rereads: Counter,
    pub(crate) frames: Counter,
    pub(crate) writes: Counter,
    pub(crate) blocked: Gauge,
    pub(crate) pending: Gauge,
    behind: Gauge,
    pub(crate) panics: Counter,
    write_to_send: Histogram,
    lags: [(PendingLimit, Counter); 2],
    catch_ups: [(CatchUpEnd, Counter); 3],
    denials: [(Denial, Counter); 6],
    resets: [(ResetReason, Counter); 7],
}

/// How it ended that a client was behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatchUpEnd {
    /// Everything that it missed was replayed.
    Complete,
    /// It received a reset.
    Reset,
    /// Its connection ended.
    Closed,
}

/// Why the server denied something to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The request comes from a web page of another origin.
    Origin,
    /// A limit on connections is exceeded.
    Connections,
    /// `authorize` refused the subscription, or failed.
    Authorize,
    /// A reauthorization ended a granted subscription.
    Revoked,
    /// A limit on messages, resumes or subscriptions is exceeded.
    Rate,
    /// The client has no user, or the application did not accept its credentials.
    SignIn,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe();
        Self {
            connections: gauge!("rest_live_connections"),
            subscriptions: gauge!("rest_live_subscriptions"),
            authorize_waiting: gauge!("rest_live_authorize_waiting"),
            events: counter!("rest_live_events_total"),
            events_lost: counter!("rest_live_events_lost_total"),
            withheld: counter!("rest_live_events_withheld_total"),
            rereads: counter!("rest_live_rows_settled_total"),
            frames: counter!("rest_live_frames_total"),
            writes: counter!("rest_live_writes_total"),
            blocked: gauge!("rest_live_blocked_connections"),
            pending: gauge!("rest_live_pending_frames"),
            behind: gauge!("rest_live_behind_connections"),
            panics: counter!("rest_live_panics_total"),
            write_to_send: histogram!("rest_live_write_to_send_seconds"),
            lags: [PendingLimit::Messages, PendingLimit::Bytes].map(|limit| {
                let name = match limit {
                    PendingLimit::Messages => "messages",
                    PendingLimit::Bytes => "bytes",
                };
                (limit, counter!("rest_live_lags_total", "limit" => name))
            }),
            catch_ups: [CatchUpEnd::Complete, CatchUpEnd::Reset, CatchUpEnd::Closed].map(|end| {
                let name = match end {
                    CatchUpEnd::Complete => "complete",
                    CatchUpEnd::Reset => "reset",
                    CatchUpEnd::Closed => "closed",
                };
                (end, counter!("rest_live_catch_ups_total", "end" => name))
            }),
            denials: [
                Denial::Origin,
                Denial::Connections,
                Denial::Authorize,
                Denial::Revoked,
                Denial::Rate,
                Denial::SignIn,
            ]
            .map(|reason| {
                let counter = counter!("rest_live_denials_total", "reason" => reason.as_str());
                (reason, counter)
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
            .map(|reason| {
                let counter = counter!("rest_live_resets_total", "reason" => reason.as_str());
                (reason, counter)
            }),
        }
    }

    /// Counts that a slow client exceeded a limit, and its queue was dropped.
    pub(crate) fn count_lag(&self, limit: PendingLimit) {
        count(&self.lags, limit, 1);
    }

    /// Counts that a client is behind from now on.
    pub(crate) fn count_behind(&self) {
        self.behind.increment(1.0);
    }

    /// Counts that a client is no longer behind.
    pub(crate) fn count_catch_up(&self, end: CatchUpEnd) {
        self.behind.decrement(1.0);
        count(&self.catch_ups, end, 1);
    }

    /// Counts a denial.
    pub(crate) fn count_denial(&self, reason: Denial) {
        count(&self.denials, reason, 1);
    }

    /// Counts resets that are sent to clients.
    pub(crate) fn count_resets(&self, reason: ResetReason, times: usize) {
        count(&self.resets, reason, times);
    }

    /// Records the time from the capture of a change to its write to a socket.
    pub(crate) fn record_latency(&self, captured: SystemTime) {
        // If the clock was set back meanwhile, the difference has no meaning.
        if let Ok(latency) = captured.elapsed() {
            self.write_to_send.record(latency);
        }
    }
}

fn count<R: Copy + PartialEq>(counters: &[(R, Counter)], reason: R, times: usize) {
    if let Some((_, counter)) = counters.iter().find(|(other, _)| *other == reason) {
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
            Self::SignIn => "sign_in",
        }
    }
}

fn describe() {
    describe_gauge!(
        "rest_live_connections",
        "Client connections that this server has now"
    );
    describe_gauge!(
        "rest_live_subscriptions",
        "Subscriptions that this server has now"
    );
    describe_gauge!(
        "rest_live_authorize_waiting",
        "Requests that wait now because too many calls of authorize run"
    );
    describe_counter!(
        "rest_live_events_total",
        "Row changes that the dispatcher read from the event log"
    );
    describe_counter!(
        "rest_live_events_lost_total",
        "Row changes that the event log did not accept: the rows are written, but no client receives the changes"
    );
    describe_counter!(
        "rest_live_events_withheld_total",
        "Row changes in plain transactions, whose commit rest-live does not see, or of a table that may be another tenant's: the rows are written, but no client receives the changes"
    );
    describe_counter!(
        "rest_live_rows_settled_total",
        "Rows that rest-live read again because several writes of the row overlapped"
    );
    describe_counter!("rest_live_frames_total", "Frames written to sockets");
    describe_counter!(
        "rest_live_writes_total",
        "Writes to sockets: one write can send many frames"
    );
    describe_gauge!(
        "rest_live_blocked_connections",
        "Connections whose clients accept no data now, although frames are queued"
    );
    describe_gauge!(
        "rest_live_pending_frames",
        "Frames that are queued for clients now"
    );
    describe_gauge!(
        "rest_live_behind_connections",
        "Connections whose queue was dropped, and whose clients have not yet been replayed what they missed"
    );
    describe_counter!(
        "rest_live_lags_total",
        "Times that a client was too slow and its queue was dropped, by the limit that it exceeded: messages, bytes"
    );
    describe_counter!(
        "rest_live_catch_ups_total",
        "Times that a client whose queue was dropped stopped being behind, by how: complete (everything was replayed), reset, closed"
    );
    describe_counter!(
        "rest_live_resets_total",
        "Resets sent to clients, by reason"
    );
    describe_counter!(
        "rest_live_denials_total",
        "Connections, requests and subscriptions that were refused or ended, by reason: origin, connections, authorize, revoked, rate, sign_in"
    );
    describe_counter!(
        "rest_live_panics_total",
        "Panics in the application's filters, permissions and serializers"
    );
    describe_histogram!(
        "rest_live_write_to_send_seconds",
        Unit::Seconds,
        "Time from the capture of a change until a socket write contains it, measured for the oldest change in each socket write"
    );
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
