//! A client that applies the frames it receives.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use rest_live::{Live, testing::Client};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    expected::without_cursor,
    group::{Group, Subscription},
    page::{Cause, Page},
    servers::MAX_UNREAD_MESSAGES,
};
use crate::{
    clients::Dialect,
    entities::{Table, User},
    support::{DEADLINE, TICK},
    writes::{Change, Rows},
};

pub struct Subscriber {
    /// `None` while it is disconnected.
    client: Option<Client<User>>,
    page: Page,
    /// Whether it does not read.
    is_paused: bool,
    /// The changes of each commit since it has last read.
    unread: Vec<Vec<Change>>,
    /// Whether messages of a catch-up may still arrive. In v1, a barrier is behind them.
    is_catching_up: bool,
}

impl Subscriber {
    pub fn new(live: &Live<User>, user: User, dialect: Dialect) -> Self {
        Self {
            client: Some(Client::connect(live, user)),
            page: Page::new(user, dialect),
            is_paused: false,
            unread: Vec::new(),
            is_catching_up: false,
        }
    }

    /// Subscribes, and then performs the GET.
    pub async fn subscribe(&mut self, table: Table, group: Group, id: u8, commits: &[Rows]) {
        self.resume_reading(commits).await;
        let Some(client) = &mut self.client else {
            return;
        };
        let page = &mut self.page;
        let id = match page.dialect {
            Dialect::Plain => Value::Null,
            _ if id.is_multiple_of(2) => json!(id),
            _ => json!(format!("id {id}")),
        };
        let subscription = Subscription { id, table, group };
        client.send_json(subscription.request(page.dialect)).await;
        let answers = client.received().await;
        let visible = subscription.get(page.user, commits.last().unwrap());
        let in_use = page.subscriptions.iter().any(|s| s.id == subscription.id);
        let frame_key = subscription.frame_key(page.dialect);
        match page.dialect {
            Dialect::V1 if in_use => return assert_refused(&answers, 409, &subscription.id),
            _ if !subscription.is_allowed(page.user) => {
                return assert_refused(&answers, 403, &subscription.id);
            }
            Dialect::V0_7 if matches!(group, Group::Row(_)) && visible.is_empty() => {
                return assert_refused(&answers, 404, &subscription.id);
            }
            Dialect::V1 => {
                let [answer] = &answers[..] else {
                    panic!("expected one answer, got {answers:?}")
                };
                let expected = json!({
                    "type": "subscribed", "id": subscription.id, "model": table.label(),
                    "group": group.keys(), "recovered": true,
                });
                assert_eq!(without_cursor(answer), expected);
                let place = (answer["cursor"].clone(), visible.clone());
                page.places.insert(frame_key.clone(), place);
            }
            Dialect::Plain | Dialect::V0_7 => assert_eq!(answers, [] as [Value; 0]),
        }
        page.held.entry(frame_key).or_default().extend(visible);
        if !page.subscriptions.contains(&subscription) {
            page.subscriptions.push(subscription);
        }
        page.assert_at_rest(commits);
    }

    /// Unsubscribes, and drops the rows that no other subscription covers.
    pub async fn unsubscribe(&mut self, index: usize, commits: &[Rows]) {
        self.resume_reading(commits).await;
        let (Some(client), false) = (&mut self.client, self.page.subscriptions.is_empty()) else {
            return;
        };
        let page = &mut self.page;
        let subscription = page.subscriptions[index % page.subscriptions.len()].clone();
        let mut request = match page.dialect {
            Dialect::Plain => subscription.request(page.dialect),
            Dialect::V1 | Dialect::V0_7 => json!({"type": "unsubscribe", "id": subscription.id}),
        };
        if page.dialect == Dialect::Plain {
            request["unsubscribe"] = json!(true);
        }
        client.send_json(request).await;
        let expected = match page.dialect {
            Dialect::V1 => vec![json!({"type": "unsubscribed", "id": subscription.id})],
            Dialect::Plain | Dialect::V0_7 => vec![],
        };
        assert_eq!(client.received().await, expected);
        let plain = page.dialect == Dialect::Plain;
        page.subscriptions.retain(|s| {
            if plain {
                *s != subscription
            } else {
                s.id != subscription.id
            }
        });
        page.fetch(commits);
    }

    /// Takes note of a commit, and receives its messages unless the client is paused.
    pub async fn receive_commit(&mut self, changes: Vec<Change>, commits: &[Rows]) {
        if self.client.is_none() {
            return;
        }
        self.unread.push(changes);
        if !self.is_paused {
            self.read(commits).await;
        }
    }

    /// Stops reading. The messages wait in the server.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    pub async fn resume_reading(&mut self, commits: &[Rows]) {
        if std::mem::take(&mut self.is_paused) && self.client.is_some() {
            self.read(commits).await;
        }
    }

    /// Reads and applies all messages.
    ///
    /// Asserts that they are exactly the expected ones, in order. If there are more than may wait
    /// in the server, the client is behind, and receives a replay instead.
    async fn read(&mut self, commits: &[Rows]) {
        let unread = std::mem::take(&mut self.unread);
        let changes = unread.iter().flatten();
        let count: usize = changes.map(|c| self.page.expected(c).len()).sum();
        if count > MAX_UNREAD_MESSAGES {
            self.catch_up(commits).await;
            return;
        }
        let (mut frames, cursor) = self.receive_all().await;
        if std::mem::take(&mut self.is_catching_up) {
            let broadcasts = frames.iter().filter(|f| f["type"] != "unit").count();
            for frame in frames.drain(..broadcasts.saturating_sub(count)) {
                let before = self.page.held.clone();
                self.page.receive(&frame, Cause::CatchUp, commits);
                assert_eq!(self.page.held, before, "{frame} changes the rows");
            }
        }
        for frame in &frames {
            self.page.receive(frame, Cause::Commits, commits);
        }
        let broadcasts = frames.into_iter().filter(|frame| frame["type"] != "unit");
        let mut broadcasts = broadcasts.fuse();
        for changes in &unread {
            self.page.assert_commit(changes, &mut broadcasts);
        }
        let more: Vec<_> = broadcasts.collect();
        let user = self.page.user;
        assert_eq!(more, [] as [Value; 0], "extra frames for {user:?}");
        self.page.assert_at_rest(commits);
        // Otherwise the page resumes from the cursors of broadcasts.
        if let Some(cursor) = cursor.filter(|_| commits.len().is_multiple_of(2)) {
            self.page.reach(&cursor);
        }
    }

    /// Receives a replay of everything that was missed.
    async fn catch_up(&mut self, commits: &[Rows]) {
        let start = Instant::now();
        loop {
            for frame in self.receive_all().await.0 {
                self.page.receive(&frame, Cause::CatchUp, commits);
            }
            // The other dialects have no barrier that waits for a replay.
            let is_done = self.page.dialect == Dialect::V1 || self.page.is_at_rest(commits);
            if is_done || start.elapsed() > DEADLINE {
                break;
            }
            sleep(TICK).await;
        }
        self.page.assert_at_rest(commits);
        self.is_catching_up = self.page.dialect != Dialect::V1;
    }

    /// Receives all messages that the commits so far cause. In v1, they come before the answer to a
    /// barrier, whose cursor is the place that the client has reached.
    async fn receive_all(&mut self) -> (Vec<Value>, Option<Value>) {
        let client = self.client.as_mut().unwrap();
        if self.page.dialect == Dialect::V1 {
            let (frames, cursor) = receive_until_synced(client).await;
            (frames, Some(cursor))
        } else {
            (client.received().await, None)
        }
    }

    /// Authenticates as a user, and loses exactly what this user may not see.
    pub async fn refresh(&mut self, user: User, commits: &[Rows]) {
        self.resume_reading(commits).await;
        let (Some(client), Dialect::V1) = (&mut self.client, self.page.dialect) else {
            return;
        };
        let page = &mut self.page;
        let request = json!({"type": "auth", "id": "auth", "token": user.token()});
        client.send_json(request).await;
        let (mut frames, _) = receive_until_synced(client).await;
        let authenticated = json!({"type": "authenticated", "id": "auth"});
        let answer = frames.iter().position(|frame| *frame == authenticated);
        frames.remove(answer.expect("an answer to auth"));
        let is_same = user == page.user;
        page.user = user;
        for subscription in std::mem::take(&mut page.subscriptions) {
            let frames = frames.extract_if(.., |frame| frame["id"] == subscription.id);
            match &frames.collect::<Vec<_>>()[..] {
                [] => page.subscriptions.push(subscription),
                [ended] if ended["type"] == "unsubscribed" => {
                    assert_eq!(ended["code"], 403, "{ended}");
                    assert!(!subscription.is_allowed(user), "{ended} to {user:?}");
                }
                [reset] if reset["type"] == "reset" => {
                    assert!(!is_same, "{reset} although the user is the same");
                    page.reset(&subscription, &reset["cursor"], commits);
                    page.subscriptions.push(subscription);
                }
                other => panic!("{other:?} for one subscription"),
            }
        }
        assert_eq!(frames, [] as [Value; 0], "after auth of {user:?}");
        let allowed = |s: &Subscription| s.is_allowed(user);
        assert!(
            page.subscriptions.iter().all(allowed),
            "{:?}",
            page.subscriptions
        );
        page.forget_ended();
        page.assert_at_rest(commits);
    }

    /// Loses all messages that it has not read.
    pub fn disconnect(&mut self) {
        self.client = None;
        self.is_paused = false;
        self.unread.clear();
        self.is_catching_up = false;
        self.page.drop_unit();
    }

    /// Reconnects with the rows that it holds.
    ///
    /// In v1, the server replays what the client missed. In the other dialects, the client performs
    /// the GETs again.
    pub async fn reconnect(&mut self, live: &Live<User>, commits: &[Rows]) {
        if self.client.is_some() {
            return;
        }
        let mut client = Client::connect(live, self.page.user);
        if self.page.dialect == Dialect::V1 {
            self.resume(&mut client, commits).await;
            let (more, _) = receive_until_synced(&mut client).await;
            assert_eq!(more, [] as [Value; 0], "after the replays");
        } else {
            // When this returns, all writes so far are dispatched.
            client.receive_nothing().await;
            self.subscribe_again(&mut client, commits).await;
        }
        self.client = Some(client);
    }

    async fn subscribe_again(&mut self, client: &mut Client<User>, commits: &[Rows]) {
        let page = &mut self.page;
        for subscription in std::mem::take(&mut page.subscriptions) {
            // In 0.7, a client cannot subscribe to a row that does not exist.
            let is_gone = matches!(subscription.group, Group::Row(_))
                && subscription
                    .get(page.user, commits.last().unwrap())
                    .is_empty();
            if is_gone && page.dialect == Dialect::V0_7 {
                continue;
            }
            client.send_json(subscription.request(page.dialect)).await;
            assert_eq!(client.received().await, [] as [Value; 0]);
            page.subscriptions.push(subscription);
        }
        page.fetch(commits);
    }

    /// Resumes each subscription. The server replays at most one frame for each row and group,
    /// which is the difference between the held and the current state.
    async fn resume(&mut self, client: &mut Client<User>, commits: &[Rows]) {
        let page = &mut self.page;
        let places = page.places.clone();
        let mut replayed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for subscription in page.subscriptions.clone() {
            let frame_key = subscription.frame_key(page.dialect);
            let (since, before) = &places[&frame_key];
            let mut request = subscription.request(page.dialect);
            request["since"] = since.clone();
            client.send_json(request).await;
            let mut frames = client.received().await.into_iter();
            let subscribed = json!({
                "type": "subscribed", "id": subscription.id, "model": subscription.table.label(),
                "group": subscription.group.keys(), "cursor": since, "recovered": true,
            });
            assert_eq!(frames.next(), Some(subscribed));
            let frames: Vec<_> = frames.collect();
            if let Some(earlier) = replayed.insert(frame_key.clone(), frames.clone()) {
                // The same group under another id.
                assert_eq!(frames, earlier);
                continue;
            }
            let now = subscription.get(page.user, commits.last().unwrap());
            assert_replay(&frames, since, before, &now);
            for frame in &frames {
                page.receive(frame, Cause::Resume, commits);
            }
            let user = page.user;
            assert_eq!(
                page.held[&frame_key], now,
                "rows of {user:?} after the replay"
            );
        }
        page.assert_at_rest(commits);
    }
}

/// Asserts that these messages replay the difference between two states of a group.
fn assert_replay(
    frames: &[Value],
    since: &Value,
    before: &BTreeMap<i32, Value>,
    now: &BTreeMap<i32, Value>,
) {
    let (ends, broadcasts): (Vec<_>, Vec<_>) = frames.iter().partition(|f| f["type"] == "unit");
    let mut rows = BTreeSet::new();
    for frame in &broadcasts {
        let is_safe = Some(frame) == broadcasts.last() || frame["cursor"] == *since;
        assert!(is_safe, "a resume from this cursor loses frames: {frame}");
        let id = frame["payload"]["id"].as_i64().unwrap().try_into().unwrap();
        assert!(rows.insert(id), "{frame} is the second one of its row");
        let action = match (before.contains_key(&id), now.contains_key(&id)) {
            // The row was created and deleted. A page loaded in the meantime may show it.
            (false, false) => "DELETED",
            (false, true) => "CREATED",
            (true, true) => "UPDATED",
            (true, false) => "DELETED",
        };
        assert_eq!(frame["action"], action, "{frame}");
    }
    // A replay of several rows is one unit. Its end is the last message.
    let is_unit = broadcasts.len() > 1;
    assert_eq!(ends.len(), usize::from(is_unit), "{frames:?}");
    assert!(
        !is_unit || frames.last().unwrap()["type"] == "unit",
        "{frames:?}"
    );
    let marked = broadcasts.iter().filter(|frame| frame["unit"].is_string());
    assert_eq!(marked.count(), if is_unit { broadcasts.len() } else { 0 });
}

/// Sends a barrier, and returns the messages before its answer, and the cursor of the answer.
async fn receive_until_synced(client: &mut Client<User>) -> (Vec<Value>, Value) {
    client
        .send_json(json!({"type": "sync", "id": "sync"}))
        .await;
    let mut frames = Vec::new();
    loop {
        let frame = client.receive_json().await;
        if frame["type"] == "synced" {
            assert_eq!(frame["id"], "sync");
            return (frames, frame["cursor"].clone());
        }
        frames.push(frame);
    }
}

fn assert_refused(answers: &[Value], code: u16, id: &Value) {
    let [answer] = answers else {
        panic!("expected one error, got {answers:?}")
    };
    let actual = (&answer["code"], &answer["id"]);
    assert_eq!(actual, (&json!(code), id), "{answer}");
}
