//! A client that keeps what it is told, and the model of what it should be told.

use std::collections::{BTreeMap, BTreeSet};

use rest_live::{Live, testing::Client};
use serde_json::{Value, json};

use super::ROLLED_BACK;
use crate::{
    clients::Dialect,
    entities::{SECRET, Table, User, Values},
    writes::{Changed, Rows},
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
    /// None while it is away.
    client: Option<Client<User>>,
    user: User,
    dialect: Dialect,
    subscriptions: Vec<Subscription>,
    /// Of each subscription in v1 the last cursor, and what it held there.
    cursors: BTreeMap<String, (Value, BTreeMap<i32, Value>)>,
    /// What it holds, by what its frames tell apart, and by primary key.
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

    /// Subscribes, and does the GET.
    pub async fn subscribe(&mut self, table: Table, group: Group, id: u8, rows: &Rows) {
        let id = match self.dialect {
            Dialect::Plain => Value::Null,
            _ if id.is_multiple_of(2) => json!(id),
            _ => json!(format!("id {id}")),
        };
        let wish = Subscription { id, table, group };
        let request = self.request(&wish);
        let Some(client) = &mut self.client else {
            return;
        };
        client.send_json(request).await;
        let answers = client.received().await;
        let seen = self.get(&wish, rows);
        let in_use = self.subscriptions.iter().any(|s| s.id == wish.id);
        match self.dialect {
            Dialect::V1 if in_use => return assert_refused(&answers, 409, &wish.id),
            Dialect::V0_7 if matches!(group, Group::Row(_)) && seen.is_empty() => {
                return assert_refused(&answers, 404, &wish.id);
            }
            Dialect::V1 => {
                let [answer] = &answers[..] else {
                    panic!("one answer was expected: {answers:?}")
                };
                let expected = json!({
                    "type": "subscribed", "id": wish.id, "model": table.label(),
                    "group": group.as_json(), "recovered": true,
                });
                assert_eq!(without_cursor(answer), expected);
                let cursor = answer["cursor"].clone();
                self.cursors
                    .insert(self.place(&wish), (cursor, seen.clone()));
            }
            Dialect::Plain | Dialect::V0_7 => assert_eq!(answers, [] as [Value; 0]),
        }
        self.held.entry(self.place(&wish)).or_default().extend(seen);
        if !self.subscriptions.contains(&wish) {
            self.subscriptions.push(wish);
        }
    }

    /// Unsubscribes, and forgets what it holds for that only.
    pub async fn unsubscribe(&mut self, which: usize, rows: &Rows) {
        if self.subscriptions.is_empty() {
            return;
        }
        let subscription = self.subscriptions[which % self.subscriptions.len()].clone();
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
        self.held = self.gets(rows);
    }

    /// Takes in what comes of changes that are committed: exactly the frames that should, in their
    /// order.
    pub async fn follow(&mut self, changes: &[Changed], rows: &Rows) {
        let Some(client) = &mut self.client else {
            return;
        };
        let mut frames = client.received().await.into_iter();
        for changed in changes {
            let mut expected = self.expected(changed);
            let mut told: Vec<_> = frames.by_ref().take(expected.len()).collect();
            told.iter().for_each(|frame| self.apply(frame, false));
            // In which order the groups of one row hear of it is nobody's business.
            let mut told_of: Vec<_> = told.drain(..).map(|f| without_cursor(&f)).collect();
            told_of.sort_by_cached_key(Value::to_string);
            expected.sort_by_cached_key(Value::to_string);
            assert_eq!(
                told_of, expected,
                "{changed:?} as {:?} is told it",
                self.user
            );
        }
        let more: Vec<_> = frames.collect();
        assert_eq!(more, [] as [Value; 0], "{:?} is told too much", self.user);
        let gets = self.gets(rows);
        assert_eq!(self.held, gets, "{:?} holds what is not so", self.user);
    }

    pub fn leave(&mut self) {
        self.client = None;
    }

    /// Comes back with what it holds. In v1 it is told what it missed: of each row and group one frame at most, and what is the
    /// difference to what it sees now. In the other dialects it does the GETs again.
    pub async fn come_back(&mut self, live: &Live<User>, rows: &Rows) {
        if self.client.is_some() {
            return;
        }
        let mut client = Client::connect(live, self.user);
        // All that was written is handed out then.
        client.receive_nothing().await;
        self.client = Some(client);
        if self.dialect != Dialect::V1 {
            for subscription in std::mem::take(&mut self.subscriptions) {
                // A row that is gone cannot be subscribed to in 0.7.
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
            self.held = self.gets(rows);
            return;
        }
        let left_at = self.cursors.clone();
        let mut replayed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for subscription in self.subscriptions.clone() {
            let place = self.place(&subscription);
            let (since, before) = left_at[&place].clone();
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
            if let Some(earlier) = replayed.insert(place.clone(), frames.clone()) {
                // The same group under another id.
                assert_eq!(frames, earlier);
                continue;
            }
            let now = self.get(&subscription, rows);
            let mut told = BTreeSet::new();
            let last = frames.len().saturating_sub(1);
            for (place, frame) in frames.into_iter().enumerate() {
                let is_safe = place == last || frame["cursor"] == since;
                assert!(is_safe, "a resume from there loses something: {frame}");
                let id = frame["payload"]["id"].as_i64().unwrap().try_into().unwrap();
                assert!(told.insert(id), "{frame} is the second of its row");
                let action = match (before.contains_key(&id), now.contains_key(&id)) {
                    // It came and went: a page may have shown it in between.
                    (false, false) => "DELETED",
                    (false, true) => "CREATED",
                    (true, true) => "UPDATED",
                    (true, false) => "DELETED",
                };
                assert_eq!(frame["action"], action, "{frame}");
                self.apply(&frame, true);
            }
            assert_eq!(self.held[&place], now, "{:?} missed something", self.user);
        }
    }

    /// Takes a frame in. What is replayed may be of a row that came and went.
    fn apply(&mut self, frame: &Value, is_replayed: bool) {
        let text = frame.to_string();
        assert!(!text.contains(ROLLED_BACK), "{text}");
        let may_know = self.user == User::Admin && frame["model"] == Table::Task.label();
        assert!(may_know || !text.contains(SECRET), "{text}");
        let (place, row) = match self.dialect {
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
        let held = self.held.get_mut(&place).expect(&text);
        let id = row["id"].as_i64().expect(&text).try_into().expect(&text);
        match frame["action"].as_str().expect(&text) {
            "CREATED" | "UPDATED" => _ = held.insert(id, row.clone()),
            // Where two groups cannot be told apart, a row of both is deleted twice.
            "DELETED" => {
                let was_there = held.remove(&id).is_some();
                assert!(
                    was_there || is_replayed || self.dialect != Dialect::V1,
                    "{text}"
                );
            }
            other => panic!("{other} is no action"),
        }
        if let Some((cursor, at)) = self.cursors.get_mut(&place)
            && *cursor != frame["cursor"]
        {
            *cursor = frame["cursor"].clone();
            at.clone_from(held);
        }
    }

    /// Returns the frames that a change should bring: PROTOCOL.md, section 4.
    fn expected(&self, changed: &Changed) -> Vec<Value> {
        let Changed {
            table,
            id,
            old,
            new,
            ..
        } = changed;
        let mut frames = Vec::new();
        let mut told = Vec::new();
        for subscription in self.subscriptions.iter().filter(|s| s.table == *table) {
            let group = subscription.group;
            // Two ids of v1 for one group are one delivery.
            if self.dialect == Dialect::V1 && told.contains(&group) {
                continue;
            }
            told.push(group);
            let seen = |row: &Option<Values>| {
                let row = row.as_ref().filter(|row| group.has(*id, row))?;
                table.shown(self.user, *id, row)
            };
            let (action, row) = match (seen(old), seen(new)) {
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

    fn request(&self, wish: &Subscription) -> Value {
        let (id, model, group) = (&wish.id, wish.table.label(), wish.group.as_json());
        match (self.dialect, wish.group) {
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

    /// Returns what it is that a frame of a subscription says it is about.
    fn place(&self, subscription: &Subscription) -> String {
        let model = json!(subscription.table.label());
        match self.dialect {
            Dialect::Plain => model.to_string(),
            Dialect::V1 => format!("{model}{}", subscription.group.as_json()),
            Dialect::V0_7 => format!("{model}{}", subscription.id),
        }
    }

    /// Returns what a GET shows of the rows of a subscription.
    fn get(&self, subscription: &Subscription, rows: &Rows) -> BTreeMap<i32, Value> {
        let rows = rows.iter().filter(|((table, id), row)| {
            *table == subscription.table && subscription.group.has(*id, row)
        });
        let shown =
            rows.filter_map(|((table, id), row)| Some((*id, table.shown(self.user, *id, row)?)));
        shown.collect()
    }

    fn gets(&self, rows: &Rows) -> BTreeMap<String, BTreeMap<i32, Value>> {
        let mut held = BTreeMap::<_, BTreeMap<_, _>>::new();
        for subscription in &self.subscriptions {
            let place = held.entry(self.place(subscription)).or_default();
            place.extend(self.get(subscription, rows));
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
        panic!("an error was expected: {answers:?}")
    };
    let (told, of) = (&answer["code"], &answer["id"]);
    assert_eq!((told, of), (&json!(code), id), "{answer}");
}
