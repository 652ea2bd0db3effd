//! The tail of the log: a blocking read on a connection of its own.

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
    entry::{StreamEntry, parse_position},
    shared::Shared,
    state::LogState,
};

/// How long a read blocks.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long its answer may take beyond that, and any other answer: a connection may die without a word.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked whether the log is still the same.
const STATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The most entries of one read, and of one after reads that failed: large rows on a slow network take their time.
const MAX_BATCH: usize = 1000;
const MIN_BATCH: usize = 10;
/// For how long Redis has to be unreachable before it is said.
const AWAY_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns a tail, which connects when it is first asked for something.
pub(crate) fn tail(shared: Arc<Shared>) -> BoxStream<'static, Tail> {
    let reader = TailReader {
        shared,
        connection: None,
        cursor: None,
        has_gap: false,
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

/// Where a tail is.
#[derive(Debug)]
struct TailReader {
    shared: Arc<Shared>,
    /// None while Redis is away.
    connection: Option<Connection>,
    /// None before the beginning.
    cursor: Option<Cursor>,
    /// Whether something between the cursor and what comes next is not there.
    has_gap: bool,
    /// What is to be yielded, before anything else is read.
    pending: VecDeque<Tail>,
    /// How many entries to read at once.
    batch: usize,
    /// When the log was last seen to be the same.
    checked_at: Option<Instant>,
    /// When the question was asked that had no answer.
    disconnected_since: Option<Instant>,
    /// Whether it was said that Redis is away.
    is_away: bool,
    backoff: Backoff,
}

impl TailReader {
    async fn next(&mut self) -> Tail {
        loop {
            if let Some(tail) = self.pending.pop_front() {
                return tail;
            }
            // Put back by whoever gets an answer.
            match self.connection.take() {
                None => self.connect().await,
                Some(connection) => {
                    let sent_at = Instant::now();
                    if let Err(error) = self.read(connection).await {
                        tracing::debug!(%error, "the tail of the log has lost Redis");
                        self.disconnected_since.get_or_insert(sent_at);
                        self.batch = (self.batch / 4).max(MIN_BATCH);
                    }
                }
            }
        }
    }

    /// Tries to connect once, and says when it is time to say that Redis is away.
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
        let attempt = if must_signal {
            timeout_at(since + AWAY_TIMEOUT, attempt).await
        } else {
            Ok(attempt.await)
        };
        match attempt {
            Ok(Ok((connection, state))) => {
                self.connection = Some(connection);
                self.compare(&state);
            }
            Ok(Err(error)) => tracing::debug!(%error, "the tail of the log cannot reach Redis"),
            Err(_) => {
                self.is_away = true;
                self.pending.push_back(Tail::Away);
            }
        }
    }

    /// Reads once: how the log is, where that is due, else what comes next.
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
        self.accept(keys.into_iter().flat_map(|key| key.ids))?;
        self.connection = Some(connection);
        self.disconnected_since = None;
        self.batch = (self.batch * 2).min(MAX_BATCH);
        self.backoff.reset();
        Ok(())
    }

    /// Compares the log with where this tail is.
    fn compare(&mut self, state: &LogState) {
        self.checked_at = Some(Instant::now());
        let has_gap = std::mem::take(&mut self.has_gap);
        // A Redis that nobody can write to is as one that nobody can reach.
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
            Some(_) => Tail::Reset(head.clone()),
        };
        self.pending.push_back(tail);
        if is_away {
            self.pending.push_back(Tail::Away);
        }
        self.cursor = Some(head);
    }

    /// Takes in what was read, up to the first hole.
    fn accept(&mut self, ids: impl Iterator<Item = StreamId>) -> RedisResult<()> {
        let Some(mut cursor) = self.cursor.clone() else {
            return Ok(());
        };
        let mut entries = Vec::new();
        for id in ids {
            let position = parse_position(&id.id)?;
            if std::mem::take(&mut self.is_away) {
                // Somebody could write it.
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
                StreamEntry::Event(event) => entries.push(Entry::stored(position, event)),
                StreamEntry::Lost => {
                    let before = Cursor {
                        position: position - 1,
                        ..cursor.clone()
                    };
                    self.push_entries(&mut entries, before);
                    self.pending.push_back(Tail::NodeLost(cursor.clone()));
                }
            }
        }
        self.push_entries(&mut entries, cursor.clone());
        self.cursor = Some(cursor);
        Ok(())
    }

    fn push_entries(&mut self, entries: &mut Vec<Entry>, watermark: Cursor) {
        if !entries.is_empty() {
            let entries = std::mem::take(entries);
            self.pending.push_back(Tail::Entries { entries, watermark });
        }
    }
}
