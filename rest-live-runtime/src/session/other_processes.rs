//! Signs that other processes write or serve the same rows, although the event log is in this one.
//!
//! Their changes are missing in the log, and nothing fails. No sign is certain and none costs a
//! statement, so each is a single warning that says what else may have caused it.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{log::EventLog, user_code};

/// How long after its start a server expects clients that were connected to its predecessor.
const RESTART_PERIOD: Duration = Duration::from_secs(600);

/// What was noticed about other processes. It notices nothing if the log is shared.
#[derive(Debug)]
pub(crate) struct OtherProcesses {
    started_at: Instant,
    is_shared: bool,
    has_sessions: AtomicBool,
    has_seen_foreign_cursor: AtomicBool,
    has_checked_listener: AtomicBool,
}

impl OtherProcesses {
    /// Begins to watch for a server that uses this log.
    pub(crate) fn of(log: &dyn EventLog) -> Self {
        Self {
            started_at: Instant::now(),
            is_shared: log.is_shared(),
            has_sessions: AtomicBool::new(false),
            has_seen_foreign_cursor: AtomicBool::new(false),
            has_checked_listener: AtomicBool::new(log.is_shared()),
        }
    }

    /// Notes that a client connects.
    pub(crate) fn note_session(&self) {
        if !self.has_sessions.load(Ordering::Relaxed) {
            self.has_sessions.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that a client resumes with a cursor that is not of this log. Clients of a predecessor
    /// do that soon after a start; later ones may come from a second server.
    pub(crate) fn note_foreign_cursor(&self) {
        if !self.is_shared
            && self.started_at.elapsed() >= RESTART_PERIOD
            && !self.has_seen_foreign_cursor.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "a client resumed with the cursor of another process, long after this server started. Either the client was offline since then, or a second server of this application is running: its changes do not reach the clients of this one, because the event log is in the memory of each. Several servers need a log that they share: see LiveBuilder::log. This is reported once"
            );
        }
    }

    /// Checks, with the first TCP connection, whether several processes may listen on its port.
    pub(crate) fn check_listener(&self, stream: &tokio::net::TcpStream) {
        if self.has_checked_listener.swap(true, Ordering::Relaxed) {
            return;
        }
        if is_port_shared(stream) {
            tracing::warn!(
                "the port of this server is bound with SO_REUSEPORT, so several processes may serve it. If they do, changes that one captures do not reach the clients of the others, because the event log is in the memory of each. Several processes need a log that they share: see LiveBuilder::log"
            );
        }
    }

    /// Warns at the end of a process whose events no client of its own could receive.
    pub(crate) fn report_end(&self, log: &dyn EventLog) {
        if self.is_shared || self.has_sessions.load(Ordering::Relaxed) {
            return;
        }
        // The log may be the application's code, and a drop must not panic.
        let head = user_code::call(|| log.known_head()).ok().flatten();
        let events = head.map_or(0, |head| head.position);
        if events > 0 {
            tracing::warn!(
                events,
                "this process captured changes, but no client has connected to it. Its event log is in its memory, so clients of other processes did not receive the changes. If another process serves the clients, both need a log that they share: see LiveBuilder::log"
            );
        }
    }
}

/// Returns whether the listener of a connection has SO_REUSEPORT, which its connections inherit.
fn is_port_shared(stream: &tokio::net::TcpStream) -> bool {
    #[cfg(unix)]
    return socket2::SockRef::from(stream).reuse_port().unwrap_or(false);
    #[cfg(not(unix))]
    return {
        let _ = stream;
        false
    };
}

/// How a log relates to other processes, for the application log.
pub(crate) struct Reach<'l>(pub(crate) &'l dyn EventLog);

impl fmt::Display for Reach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_shared() {
            "all processes that use the same log; every process that writes these models must use it"
        } else {
            "this process only: its clients do not receive what other processes write, such as a second server, a worker or a cron job. If there are any, all need a log that they share"
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::log::MemoryLog;

    /// Returns what a function writes to the application log.
    fn logged(f: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Messages(Arc<Mutex<String>>);

        impl tracing::field::Visit for Messages {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0.lock().push_str(&format!("{value:?}\n"));
            }
        }

        impl tracing::Subscriber for Messages {
            fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
                true
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
                tracing::span::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
            fn event(&self, event: &tracing::Event<'_>) {
                event.record(&mut self.clone());
            }
            fn enter(&self, _: &tracing::span::Id) {}
            fn exit(&self, _: &tracing::span::Id) {}
        }

        let messages = Messages::default();
        tracing::subscriber::with_default(messages.clone(), f);
        let text = messages.0.lock();
        text.clone()
    }

    #[test]
    fn foreign_cursor_is_reported_once_and_late() {
        let mut noticed = OtherProcesses::of(&MemoryLog::default());
        assert_eq!(logged(|| noticed.note_foreign_cursor()), "");
        let Some(long_ago) = noticed.started_at.checked_sub(RESTART_PERIOD) else {
            panic!("the machine has just started: run this test again in ten minutes");
        };
        noticed.started_at = long_ago;
        let text = logged(|| {
            noticed.note_foreign_cursor();
            noticed.note_foreign_cursor();
        });
        assert_eq!(
            text.matches("the cursor of another process").count(),
            1,
            "{text}"
        );
    }

    #[test]
    fn shared_log_expects_other_processes() {
        let mut noticed = OtherProcesses::of(&MemoryLog::default());
        noticed.is_shared = true;
        noticed.started_at = noticed
            .started_at
            .checked_sub(RESTART_PERIOD)
            .unwrap_or(noticed.started_at);
        assert_eq!(logged(|| noticed.note_foreign_cursor()), "");
        assert_eq!(logged(|| noticed.report_end(&MemoryLog::default())), "");
    }
}
