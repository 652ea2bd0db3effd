//! The tail of the log: blocking reads on a connection of its own.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use redis::{
    RedisResult,
    streams::{StreamId, StreamReadReply},
};
use rest_live_runtime::{Cursor, Entry, Tail};
use tokio::time::{Instant, timeout_at};

use crate::{
    backoff::Backoff,
    connection::Connection,
    entry::{StreamEntry, entry_bytes, entry_of, parse_position},
    shared::Shared,
    state::LogState,
    unit_buffer::UnitBuffer,
};

/// How long a read blocks if there are no new entries.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a reply may take, in addition to [`BLOCK_TIMEOUT`] for a blocking read. A connection
/// may die without notice.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the tail checks that the log still has the same epoch and no gap.
const STATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of entries that one read returns.
const MAX_BATCH: usize = 1000;
/// How many bytes one read may return, as far as the size of the last entries predicts it.
const TARGET_BATCH_BYTES: usize = 8 << 20;
/// Minimum number of entries per read after failures: large rows take long on a slow network.
const MIN_BATCH: usize = 10;
/// How long Redis must be unavailable before the tail yields [`Tail::Away`].
const AWAY_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns a tail. It connects when it is first polled.
pub(crate) fn tail(shared: Arc<Shared>) -> BoxStream<'static, Tail> {
    let reader = TailReader {
        shared,
        connection: None,
        cursor: None,
        has_gap: false,
        units: UnitBuffer::default(),
        pending: VecDeque::new(),
        batch: MAX_BATCH,
        checked_at: None,
        disconnected_since: None,
        is_away: false,
        backoff: Backoff::default(),
    };
    let tails = stream::unfold(reader, async |mut reader| {
        let tail = reader.next().await;
        Some((tail, reader))
    });
    tails.boxed()
}

/// Reads the stream for one tail.
#[derive(Debug)]
struct TailReader {
    shared: Arc<Shared>,
    /// `None` while Redis is unavailable.
    connection: Option<Connection>,
    /// The last entry that was read; `None` before the first item.
    cursor: Option<Cursor>,
    /// Whether entries are missing between the cursor and the next entry.
    has_gap: bool,
    /// Entries that were read and are not yielded yet.
    units: UnitBuffer,
    /// Items to yield before the next read.
    pending: VecDeque<Tail>,
    /// How many entries the next read may return.
    batch: usize,
    /// When the state of the log was last checked.
    checked_at: Option<Instant>,
    /// When the first command without a reply was sent.
    disconnected_since: Option<Instant>,
    /// Whether [`Tail::Away`] was yielded last.
    is_away: bool,
    backoff: Backoff,
}

impl TailReader {
    async fn next(&mut self) -> Tail {
        loop {
            if let Some(tail) = self.pending.pop_front() {
                return tail;
            }
            // It is put back after a successful reply; a failed or cancelled read leaves it
            // unusable.
            match self.connection.take() {
                None => self.connect().await,
                Some(connection) => {
                    let sent_at = Instant::now();
                    if let Err(error) = self.read(connection).await {
                        tracing::debug!(%error, "the log's tail lost its connection to Redis; it reconnects");
                        self.disconnected_since.get_or_insert(sent_at);
                        self.batch = (self.batch / 4).max(MIN_BATCH);
                    }
                }
            }
        }
    }

    /// Tries once to connect. Yields [`Tail::Away`] if Redis has been unavailable for too long.
    async fn connect(&mut self) {
        let since = *self.disconnected_since.get_or_insert_with(Instant::now);
        let shared = Arc::clone(&self.shared);
        let backoff = &mut self.backoff;
        let attempt = async {
            backoff.wait().await;
            let mut connection = Connection::open(&shared.address.client).await?;
            let state = LogState::query(&mut connection, &shared.scripts).await?;
            RedisResult::Ok((connection, state))
        };
        let must_signal = self.cursor.is_some() && !self.is_away;
        let result = if must_signal {
            timeout_at(since + AWAY_TIMEOUT, attempt).await
        } else {
            Ok(attempt.await)
        };
        match result {
            Ok(Ok((connection, state))) => {
                self.connection = Some(connection);
                self.compare(&state);
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the log's tail failed to connect to Redis; it is retried");
            }
            Err(_) => {
                self.is_away = true;
                self.pending.push_back(Tail::Away);
            }
        }
    }

    /// Reads once: the state of the log if a check is due, otherwise the next entries.
    async fn read(&mut self, mut connection: Connection) -> RedisResult<()> {
        let is_check_due = self
            .checked_at
            .is_none_or(|checked_at| checked_at.elapsed() >= STATE_CHECK_INTERVAL);
        let Some(cursor) = self.cursor.as_ref().filter(|_| !is_check_due) else {
            let command = self.shared.scripts.state();
            let state = LogState::parse(connection.query_within(REPLY_TIMEOUT, &command).await?)?;
            self.compare(&state);
            self.connection = Some(connection);
            return Ok(());
        };
        let command = self.shared.scripts.read_blocking(
            cursor.position,
            self.batch,
            BLOCK_TIMEOUT.as_millis(),
        );
        let reply: Option<StreamReadReply> = connection
            .query_within(BLOCK_TIMEOUT + REPLY_TIMEOUT, &command)
            .await?;
        let keys = reply.map_or_else(Vec::new, |reply| reply.keys);
        let ids: Vec<_> = keys.into_iter().flat_map(|key| key.ids).collect();
        let max_batch = fitting_batch(&ids);
        self.accept(ids.into_iter())?;
        self.connection = Some(connection);
        self.disconnected_since = None;
        self.batch = (self.batch * 2).min(max_batch);
        self.backoff.reset();
        Ok(())
    }

    /// Compares the state of the log with the cursor of this tail.
    fn compare(&mut self, state: &LogState) {
        self.checked_at = Some(Instant::now());
        let has_gap = std::mem::take(&mut self.has_gap);
        // To clients, a Redis that refuses writes is the same as one that is unreachable.
        let is_away = self.cursor.is_some() && self.shared.refused_for() >= AWAY_TIMEOUT;
        let was_away = std::mem::replace(&mut self.is_away, is_away);
        let head = state.head.clone();
        let tail = match &self.cursor {
            None => Tail::Begin(head.clone()),
            Some(cursor) if !has_gap && state.continues(cursor) => {
                match (was_away, is_away) {
                    (false, true) => self.pending.push_back(Tail::Away),
                    (true, false) => self.pending.push_back(Tail::Back),
                    _ => {}
                }
                return;
            }
            Some(_) => {
                self.units.take();
                Tail::Reset(head.clone())
            }
        };
        self.pending.push_back(tail);
        if is_away {
            self.pending.push_back(Tail::Away);
        }
        self.cursor = Some(head);
    }

    /// Accepts the entries that were read, up to the first gap.
    fn accept(&mut self, ids: impl Iterator<Item = StreamId>) -> RedisResult<()> {
        let Some(mut cursor) = self.cursor.clone() else {
            return Ok(());
        };
        let mut entries = Vec::new();
        for id in ids {
            let position = parse_position(&id.id)?;
            if std::mem::take(&mut self.is_away) {
                // A new entry proves that Redis accepts writes.
                self.shared.clear_refusal();
                self.pending.push_back(Tail::Back);
            }
            if position != cursor.position.saturating_add(1) {
                self.has_gap = true;
                self.checked_at = None;
                break;
            }
            cursor.position = position;
            match StreamEntry::parse(&id) {
                StreamEntry::Event(event) => entries.push(entry_of(position, event)),
                StreamEntry::Lost => {
                    let before = Cursor {
                        position: position - 1,
                        ..cursor.clone()
                    };
                    self.push_entries(&mut entries, before.clone());
                    // The rest of an incomplete unit is lost.
                    let incomplete = self.units.take();
                    self.push_item(incomplete, before);
                    self.pending.push_back(Tail::NodeLost(cursor.clone()));
                }
            }
        }
        self.push_entries(&mut entries, cursor.clone());
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Yields the complete units of what was read up to a cursor.
    fn push_entries(&mut self, entries: &mut Vec<Entry>, read: Cursor) {
        let complete = self.units.complete(std::mem::take(entries), read.position);
        let position = self.units.first().map_or(read.position, |first| first - 1);
        self.push_item(complete, Cursor { position, ..read });
    }

    fn push_item(&mut self, entries: Vec<Entry>, watermark: Cursor) {
        if !entries.is_empty() {
            self.pending.push_back(Tail::Entries {
                entries,
                watermark,
                as_of: None,
            });
        }
    }
}

/// Returns how many entries of the size of these the next read may return.
fn fitting_batch(ids: &[StreamId]) -> usize {
    let bytes: usize = ids.iter().map(entry_bytes).sum();
    let fitting = (TARGET_BATCH_BYTES * ids.len()).checked_div(bytes);
    fitting.map_or(MAX_BATCH, |batch| batch.clamp(MIN_BATCH, MAX_BATCH))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use redis::Value;

    use super::*;
    use crate::entry::EVENT_FIELD;

    fn entries(count: usize, bytes: usize) -> Vec<StreamId> {
        let event = Value::BulkString(vec![b'e'; bytes]);
        let entry = StreamId {
            map: HashMap::from([(EVENT_FIELD.to_owned(), event)]),
            ..StreamId::default()
        };
        vec![entry; count]
    }

    #[test]
    fn large_entries_make_small_batches() {
        assert_eq!(fitting_batch(&[]), MAX_BATCH);
        assert_eq!(fitting_batch(&entries(7, 300)), MAX_BATCH);
        assert_eq!(fitting_batch(&entries(3, 1 << 17)), 64);
        assert_eq!(fitting_batch(&entries(2, 1 << 22)), MIN_BATCH);
    }
}
