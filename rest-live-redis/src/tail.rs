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
    entry::{Told, position},
    shared::Shared,
    state::State,
};

/// How long a read blocks.
const BLOCK: Duration = Duration::from_secs(1);
/// How long its answer may take beyond that, and any other answer: a connection may die without a word.
const SLACK: Duration = Duration::from_secs(1);
/// How often it is looked whether the log is still the same.
const LOOK: Duration = Duration::from_secs(1);
/// The most entries of one read, and of one after reads that failed: large rows on a slow network take their time.
const BATCH: usize = 1000;
const SMALL_BATCH: usize = 10;
/// For how long Redis has to be unreachable before it is said.
const AWAY: Duration = Duration::from_secs(3);

/// Returns a tail, which connects when it is first asked for something.
pub(crate) fn tail(shared: Arc<Shared>) -> BoxStream<'static, Tail> {
    let follower = Follower {
        shared,
        connection: None,
        place: None,
        is_torn: false,
        ready: VecDeque::new(),
        batch: BATCH,
        looked: None,
        cut: None,
        is_away: false,
        backoff: Backoff::default(),
    };
    let tails = stream::unfold(follower, async |mut follower| {
        let tail = follower.next().await;
        Some((tail, follower))
    });
    tails.boxed()
}

/// Where a tail is.
#[derive(Debug)]
struct Follower {
    shared: Arc<Shared>,
    /// None while Redis is away.
    connection: Option<Connection>,
    /// None before the beginning.
    place: Option<Cursor>,
    /// Whether something between the place and what comes next is not there.
    is_torn: bool,
    /// What is to be yielded, before anything else is read.
    ready: VecDeque<Tail>,
    /// How many entries to read at once.
    batch: usize,
    /// When the log was last seen to be the same.
    looked: Option<Instant>,
    /// When the question was asked that had no answer.
    cut: Option<Instant>,
    /// Whether it was said that Redis is away.
    is_away: bool,
    backoff: Backoff,
}

impl Follower {
    async fn next(&mut self) -> Tail {
        loop {
            if let Some(tail) = self.ready.pop_front() {
                return tail;
            }
            // Put back by whoever gets an answer.
            match self.connection.take() {
                None => self.connect().await,
                Some(connection) => {
                    let asked = Instant::now();
                    if let Err(error) = self.read(connection).await {
                        tracing::debug!(%error, "the tail of the log has lost Redis");
                        self.cut.get_or_insert(asked);
                        self.batch = (self.batch / 4).max(SMALL_BATCH);
                    }
                }
            }
        }
    }

    /// Tries to connect once, and says when it is time to say that Redis is away.
    async fn connect(&mut self) {
        let cut = *self.cut.get_or_insert_with(Instant::now);
        let shared = Arc::clone(&self.shared);
        let backoff = &mut self.backoff;
        let attempt = async {
            backoff.wait().await;
            let mut connection = Connection::open(&shared.address.client).await?;
            let state = State::ask(&mut connection, &shared.scripts).await?;
            RedisResult::Ok((connection, state))
        };
        let must_tell = self.place.is_some() && !self.is_away;
        let attempt = match must_tell {
            true => timeout_at(cut + AWAY, attempt).await,
            false => Ok(attempt.await),
        };
        match attempt {
            Ok(Ok((connection, state))) => {
                self.connection = Some(connection);
                self.compare(&state);
            }
            Ok(Err(error)) => tracing::debug!(%error, "the tail of the log cannot reach Redis"),
            Err(_) => {
                self.is_away = true;
                self.ready.push_back(Tail::Away);
            }
        }
    }

    /// Reads once: how the log is, where that is due, else what comes next.
    async fn read(&mut self, mut connection: Connection) -> RedisResult<()> {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        let Some(place) = self.place.as_ref().filter(|_| !is_due) else {
            let state = self.shared.scripts.state();
            let state = State::read(connection.ask_within(SLACK, &state).await?)?;
            self.compare(&state);
            self.connection = Some(connection);
            return Ok(());
        };
        let wait = self
            .shared
            .scripts
            .wait(place.position, self.batch, BLOCK.as_millis());
        let reply: Option<StreamReadReply> = connection.ask_within(BLOCK + SLACK, &wait).await?;
        let keys = reply.map_or_else(Vec::new, |reply| reply.keys);
        self.take(keys.into_iter().flat_map(|key| key.ids))?;
        self.connection = Some(connection);
        self.cut = None;
        self.batch = (self.batch * 2).min(BATCH);
        self.backoff.reset();
        Ok(())
    }

    /// Compares the log with where this tail is.
    fn compare(&mut self, state: &State) {
        self.looked = Some(Instant::now());
        let is_torn = std::mem::take(&mut self.is_torn);
        // A Redis that nobody can write to is as one that nobody can reach.
        let is_away = self.place.is_some() && self.shared.refused() >= AWAY;
        let was_away = std::mem::replace(&mut self.is_away, is_away);
        let head = state.head.clone();
        let tail = match &self.place {
            None => Tail::Begin(head.clone()),
            Some(place) if !is_torn && state.continues(place) => {
                match (was_away, is_away) {
                    (false, true) => self.ready.push_back(Tail::Away),
                    (true, false) => self.ready.push_back(Tail::Back),
                    _ => {}
                }
                return;
            }
            Some(_) => Tail::Reset(head.clone()),
        };
        self.ready.push_back(tail);
        if is_away {
            self.ready.push_back(Tail::Away);
        }
        self.place = Some(head);
    }

    /// Takes in what was read, up to the first hole.
    fn take(&mut self, ids: impl Iterator<Item = StreamId>) -> RedisResult<()> {
        let Some(mut place) = self.place.clone() else {
            return Ok(());
        };
        let mut entries = Vec::new();
        for id in ids {
            let position = position(&id.id)?;
            if std::mem::take(&mut self.is_away) {
                // Somebody could write it.
                self.shared.accepted();
                self.ready.push_back(Tail::Back);
            }
            if position != place.position.saturating_add(1) {
                self.is_torn = true;
                self.looked = None;
                break;
            }
            place.position = position;
            match Told::read(&id) {
                Told::Event(event) => entries.push(Entry::stored(position, event)),
                Told::Lost => {
                    let before = Cursor {
                        position: position - 1,
                        ..place.clone()
                    };
                    self.yield_entries(&mut entries, before);
                    self.ready.push_back(Tail::NodeLost(place.clone()));
                }
            }
        }
        self.yield_entries(&mut entries, place.clone());
        self.place = Some(place);
        Ok(())
    }

    fn yield_entries(&mut self, entries: &mut Vec<Entry>, watermark: Cursor) {
        if !entries.is_empty() {
            let entries = std::mem::take(entries);
            self.ready.push_back(Tail::Entries { entries, watermark });
        }
    }
}
