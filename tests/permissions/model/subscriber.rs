//! A client that applies the frames it receives, and the model of the frames it should receive.

use std::collections::{BTreeMap, BTreeSet};

use rest_live::{Live, testing::Client};
use serde_json::{Value, json};

use super::ROLLED_BACK;
use crate::{
    clients::Dialect,
    entities::{SECRET, Table, User, Values},
    writes::{Change, Rows},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Row(i32),
    List(i32),
}

impl Group {
    fn has(self, id: i32, row: &Values) -> bool {
        match self {
            Self::Row(key) => key == id,
            Self::List(list) => row.list_id == Some(list),
        }
    }

    fn as_json(self) -> Value {
        match self {
            Self::Row(id) => json!({"pk": id}),
            Self::List(list) => json!({"list_id": list}),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Subscription {
    /// `null` in the plain dialect.
    id: Value,
    table: Table,
    group: Group,
}

pub struct Subscriber {
    /// `None` while it is disconnected.
    client: Option<Client<User>>,
    user: User,
    dialect: Dialect,
    subscriptions: Vec<Subscription>,
    /// In v1, the last cursor of each subscription, and the rows that the client held there.
    cursors: BTreeMap<String, (Value, BTreeMap<i32, Value>)>,
    /// The rows that the client holds, by `frame_key` and by primary key.
    held: BTreeMap<String, BTreeMap<i32, Value>>,
}

impl Subscriber {
    pub fn new(live: &Live<User>, user: User, dialect: Dialect) -> Self {
        Self {
            client: Some(Client::connect(live, user)),
            user,
            dialect,
            subscriptions: Vec::new(),
            cursors: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Subscribes, and then performs the GET.
    pub async fn subscribe(&mut self, table: Table, group: Group, id: u8, rows: &Rows) {
        let id = match self.dialect {
            Dialect::Plain => Value::Null,
            _ if id.is_multiple_of(2) => json!(id),
            _ => json!(format!("id {id}")),
        };
        let subscription = Subscription { id, table, group };
        let request = self.request(&subscription);
        let Some(client) = &mut self.client else {
            return;
        };
        client.send_json(request).await;
        let answers = client.received().await;
        let visible = self.get(&subscription, rows);
        let in_use = self.subscriptions.iter().any(|s| s.id == subscription.id);
        match self.dialect {
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
                    "group": group.as_json(), "recovered": true,
                });
                assert_eq!(without_cursor(answer), expected);
                let cursor = answer["cursor"].clone();
                self.cursors
                    .insert(self.frame_key(&subscription), (cursor, visible.clone()));
            }
            Dialect::Plain | Dialect::V0_7 => assert_eq!(answers, [] as [Value; 0]),
        }
        self.held
            .entry(self.frame_key(&subscription))
            .or_default()
            .extend(visible);
        if !self.subscriptions.contains(&subscription) {
            self.subscriptions.push(subscription);
        }
    }

    /// Unsubscribes, and drops the rows that no other subscription covers.
    pub async fn unsubscribe(&mut self, index: usize, rows: &Rows) {
        if self.subscriptions.is_empty() {
            return;
        }
        let subscription = self.subscriptions[index % self.subscriptions.len()].clone();
        let mut request = match self.dialect {
            Dialect::Plain => self.request(&subscription),
            Dialect::V1 | Dialect::V0_7 => json!({"type": "unsubscribe", "id": subscription.id}),
        };
        if self.dialect == Dialect::Plain {
            request["unsubscribe"] = json!(true);
        }
        let Some(client) = &mut self.client else {
            return;
        };
        client.send_json(request).await;
        let expected = match self.dialect {
            Dialect::V1 => vec![json!({"type": "unsubscribed", "id": subscription.id})],
            Dialect::Plain | Dialect::V0_7 => vec![],
        };
        assert_eq!(client.received().await, expected);
        let plain = self.dialect == Dialect::Plain;
        self.subscriptions.retain(|s| {
            if plain {
                *s != subscription
            } else {
                s.id != subscription.id
            }
        });
        self.held = self.get_all(rows);
    }

    /// Receives and applies the frames of committed changes. Asserts that exactly the expected
    /// frames arrive, in order.
    pub async fn receive_changes(&mut self, changes: &[Change], rows: &Rows) {
        let Some(client) = &mut self.client else {
            return;
        };
        let mut frames = client.received().await.into_iter();
        for change in changes {
            let mut expected = self.expected(change);
            let change_frames: Vec<_> = frames.by_ref().take(expected.len()).collect();
            change_frames
                .iter()
                .for_each(|frame| self.apply(frame, false));
            // The protocol does not define in which order the groups of one row receive a change.
            let mut received: Vec<_> = change_frames.iter().map(without_cursor).collect();
            received.sort_by_cached_key(Value::to_string);
            expected.sort_by_cached_key(Value::to_string);
            assert_eq!(
                received, expected,
                "frames of {change:?} for {:?}",
                self.user
            );
        }
        let more: Vec<_> = frames.collect();
        assert_eq!(more, [] as [Value; 0], "extra frames for {:?}", self.user);
        let gets = self.get_all(rows);
        assert_eq!(self.held, gets, "rows of {:?}", self.user);
    }

    pub fn disconnect(&mut self) {
        self.client = None;
    }

    /// Reconnects with the rows that it holds.
    ///
    /// In v1, the server replays what the client missed: at most one frame for each row and group,
    /// which is the difference between the held and the current state. In the other dialects, the
    /// client performs the GETs again.
    pub async fn reconnect(&mut self, live: &Live<User>, rows: &Rows) {
        if self.client.is_some() {
            return;
        }
        let mut client = Client::connect(live, self.user);
        // When this returns, all writes so far are dispatched.
        client.receive_nothing().await;
        self.client = Some(client);
        if self.dialect != Dialect::V1 {
            for subscription in std::mem::take(&mut self.subscriptions) {
                // In 0.7, a client cannot subscribe to a row that does not exist.
                let is_gone = matches!(subscription.group, Group::Row(_))
                    && self.get(&subscription, rows).is_empty();
                if is_gone && self.dialect == Dialect::V0_7 {
                    continue;
                }
                let request = self.request(&subscription);
                let client = self.client.as_mut().unwrap();
                client.send_json(request).await;
                assert_eq!(client.received().await, [] as [Value; 0]);
                self.subscriptions.push(subscription);
            }
            self.held = self.get_all(rows);
            return;
        }
        let old_cursors = self.cursors.clone();
        let mut replayed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for subscription in self.subscriptions.clone() {
            let frame_key = self.frame_key(&subscription);
            let (since, before) = old_cursors[&frame_key].clone();
            let mut request = self.request(&subscription);
            request["since"] = since.clone();
            let client = self.client.as_mut().unwrap();
            client.send_json(request).await;
            let mut frames = client.received().await.into_iter();
            let subscribed = json!({
                "type": "subscribed", "id": subscription.id, "model": subscription.table.label(),
                "group": subscription.group.as_json(), "cursor": since, "recovered": true,
            });
            assert_eq!(frames.next(), Some(subscribed));
            let frames: Vec<_> = frames.collect();
            if let Some(earlier) = replayed.insert(frame_key.clone(), frames.clone()) {
                // The same group under another id.
                assert_eq!(frames, earlier);
                continue;
            }
            let now = self.get(&subscription, rows);
            let mut replayed_rows = BTreeSet::new();
            let last = frames.len().saturating_sub(1);
            for (index, frame) in frames.into_iter().enumerate() {
                let is_safe = index == last || frame["cursor"] == since;
                assert!(is_safe, "a resume from this cursor loses frames: {frame}");
                let id = frame["payload"]["id"].as_i64().unwrap().try_into().unwrap();
                assert!(
                    replayed_rows.insert(id),
                    "{frame} is the second one of its row"
                );
                let action = match (before.contains_key(&id), now.contains_key(&id)) {
                    // The row was created and deleted. A page loaded in the meantime may show it.
                    (false, false) => "DELETED",
                    (false, true) => "CREATED",
                    (true, true) => "UPDATED",
                    (true, false) => "DELETED",
                };
                assert_eq!(frame["action"], action, "{frame}");
                self.apply(&frame, true);
            }
            assert_eq!(
                self.held[&frame_key], now,
                "rows of {:?} after the replay",
                self.user
            );
        }
    }

    /// Applies a frame. A replayed frame may delete a row that the client never held.
    fn apply(&mut self, frame: &Value, is_replayed: bool) {
        let text = frame.to_string();
        assert!(!text.contains(ROLLED_BACK), "{text}");
        let may_know = self.user == User::Admin && frame["model"] == Table::Task.label();
        assert!(may_know || !text.contains(SECRET), "{text}");
        let (frame_key, row) = match self.dialect {
            Dialect::Plain => (frame["model"].to_string(), &frame["payload"]),
            Dialect::V1 => (
                format!("{}{}", frame["model"], frame["group"]),
                &frame["payload"],
            ),
            Dialect::V0_7 => (
                format!("{}{}", frame["model"], frame["id"]),
                &frame["instance"],
            ),
        };
        let held = self.held.get_mut(&frame_key).expect(&text);
        let id = row["id"].as_i64().expect(&text).try_into().expect(&text);
        match frame["action"].as_str().expect(&text) {
            "CREATED" | "UPDATED" => _ = held.insert(id, row.clone()),
            // If frames do not name their group, a row of two groups is deleted twice.
            "DELETED" => {
                let was_there = held.remove(&id).is_some();
                assert!(
                    was_there || is_replayed || self.dialect != Dialect::V1,
                    "{text}"
                );
            }
            other => panic!("{other} is not an action"),
        }
        if let Some((cursor, at)) = self.cursors.get_mut(&frame_key)
            && *cursor != frame["cursor"]
        {
            *cursor = frame["cursor"].clone();
            at.clone_from(held);
        }
    }

    /// Returns the frames that a change should produce (`docs/protocol.md`).
    fn expected(&self, change: &Change) -> Vec<Value> {
        let Change {
            table,
            id,
            old,
            new,
            ..
        } = change;
        let mut frames = Vec::new();
        let mut groups = Vec::new();
        for subscription in self.subscriptions.iter().filter(|s| s.table == *table) {
            let group = subscription.group;
            // In v1, two ids for one group receive one frame.
            if self.dialect == Dialect::V1 && groups.contains(&group) {
                continue;
            }
            groups.push(group);
            let visible = |row: &Option<Values>| {
                let row = row.as_ref().filter(|row| group.has(*id, row))?;
                table.payload_for(self.user, *id, row)
            };
            let (action, row) = match (visible(old), visible(new)) {
                (None, None) => continue,
                (None, Some(new)) => ("CREATED", new),
                (Some(_), Some(new)) => ("UPDATED", new),
                (Some(old), None) => ("DELETED", old),
            };
            let model = table.label();
            frames.push(match self.dialect {
                Dialect::Plain => json!({"model": model, "payload": row, "action": action}),
                Dialect::V1 => json!({
                    "type": "broadcast", "model": model, "group": group.as_json(),
                    "action": action, "payload": row,
                }),
                Dialect::V0_7 => json!({
                    "type": "broadcast", "id": subscription.id, "model": model, "action": action,
                    "instance": if action == "DELETED" { json!({"pk": id, "id": id}) } else { row },
                }),
            });
        }
        frames
    }

    fn request(&self, subscription: &Subscription) -> Value {
        let (id, model, group) = (
            &subscription.id,
            subscription.table.label(),
            subscription.group.as_json(),
        );
        match (self.dialect, subscription.group) {
            (Dialect::Plain, Group::Row(pk)) => json!({"model": model, "pk": pk}),
            (Dialect::Plain, Group::List(list)) => json!({"model": model, "list_id": list}),
            (Dialect::V1, _) => json!({"id": id, "model": model, "group": group}),
            (Dialect::V0_7, Group::Row(pk)) => json!({
                "type": "subscribe", "id": id, "action": "retrieve", "lookup_by": pk, "model": model,
                "view_kwargs": {}, "query_params": {},
            }),
            (Dialect::V0_7, Group::List(_)) => json!({
                "type": "subscribe", "id": id, "action": "list", "model": model,
                "view_kwargs": group, "query_params": {},
            }),
        }
    }

    /// Returns the part of a frame that names its subscription, as far as the dialect does that.
    fn frame_key(&self, subscription: &Subscription) -> String {
        let model = json!(subscription.table.label());
        match self.dialect {
            Dialect::Plain => model.to_string(),
            Dialect::V1 => format!("{model}{}", subscription.group.as_json()),
            Dialect::V0_7 => format!("{model}{}", subscription.id),
        }
    }

    /// Returns the rows that a GET for a subscription returns.
    fn get(&self, subscription: &Subscription, rows: &Rows) -> BTreeMap<i32, Value> {
        let rows = rows.iter().filter(|((table, id), row)| {
            *table == subscription.table && subscription.group.has(*id, row)
        });
        let payloads = rows
            .filter_map(|((table, id), row)| Some((*id, table.payload_for(self.user, *id, row)?)));
        payloads.collect()
    }

    /// Returns the rows that the GETs for all subscriptions return.
    fn get_all(&self, rows: &Rows) -> BTreeMap<String, BTreeMap<i32, Value>> {
        let mut held = BTreeMap::<_, BTreeMap<_, _>>::new();
        for subscription in &self.subscriptions {
            let frame_key = held.entry(self.frame_key(subscription)).or_default();
            frame_key.extend(self.get(subscription, rows));
        }
        held
    }
}

fn without_cursor(frame: &Value) -> Value {
    let mut frame = frame.clone();
    let object = frame.as_object_mut().unwrap();
    let cursor = object.remove("cursor");
    let v1 = object.contains_key("group");
    assert_eq!(cursor.is_some_and(|c| c.is_string()), v1, "{frame}");
    frame
}

fn assert_refused(answers: &[Value], code: u16, id: &Value) {
    let [answer] = answers else {
        panic!("expected one error, got {answers:?}")
    };
    let actual = (&answer["code"], &answer["id"]);
    assert_eq!(actual, (&json!(code), id), "{answer}");
}
