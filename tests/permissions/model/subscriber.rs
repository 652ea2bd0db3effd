//! A client that applies the frames it receives.

use std::collections::{BTreeMap, BTreeSet};

use rest_live::{Live, testing::Client};
use serde_json::{Value, json};

use super::{
    expected::without_cursor,
    group::{Group, Subscription},
    page::{Cause, Page},
};
use crate::{
    clients::Dialect,
    entities::{Table, User},
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
}

impl Subscriber {
    pub fn new(live: &Live<User>, user: User, dialect: Dialect) -> Self {
        Self {
            client: Some(Client::connect(live, user)),
            page: Page::new(user, dialect),
            is_paused: false,
            unread: Vec::new(),
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

    /// Reads and applies all messages. Asserts that they are exactly the expected ones, in order.
    async fn read(&mut self, commits: &[Rows]) {
        let client = self.client.as_mut().unwrap();
        let unread = std::mem::take(&mut self.unread);
        let frames = client.received().await;
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
    }

    /// Loses all messages that it has not read.
    pub fn disconnect(&mut self) {
        self.client = None;
        self.is_paused = false;
        self.unread.clear();
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
        // When this returns, all writes so far are dispatched.
        client.receive_nothing().await;
        if self.page.dialect == Dialect::V1 {
            self.resume(&mut client, commits).await;
        } else {
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
    let is_unit = super::UNITS && broadcasts.len() > 1;
    assert_eq!(ends.len(), usize::from(is_unit), "{frames:?}");
    assert!(
        !is_unit || frames.last().unwrap()["type"] == "unit",
        "{frames:?}"
    );
    let marked = broadcasts.iter().filter(|frame| frame["unit"].is_string());
    assert_eq!(marked.count(), if is_unit { broadcasts.len() } else { 0 });
}

fn assert_refused(answers: &[Value], code: u16, id: &Value) {
    let [answer] = answers else {
        panic!("expected one error, got {answers:?}")
    };
    let actual = (&answer["code"], &answer["id"]);
    assert_eq!(actual, (&json!(code), id), "{answer}");
}
