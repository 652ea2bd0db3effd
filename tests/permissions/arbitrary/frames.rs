//! The invariants of every frame, whatever message caused it.

use std::collections::BTreeMap;

use serde_json::{Value, json, value::RawValue};

use super::ID_BYTES;
use crate::{
    clients::Dialect,
    entities::{Table, User, Values},
};

/// All states that each row has had.
pub type History = BTreeMap<(Table, i32), Vec<Values>>;

/// A JSON object with the raw text of its values. For example, an id may be a number that is too
/// large for JSON libraries.
#[derive(Debug)]
pub struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Returns a value, or `null` if it is absent or no JSON library can read it.
    pub fn get(&self, key: &str) -> Value {
        let raw = self.0.get(key);
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or(Value::Null)
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns whether the object has exactly these keys. `id` is not compared.
    fn has_keys(&self, keys: &str) -> bool {
        let own = self.0.keys().map(String::as_str).filter(|key| *key != "id");
        own.eq(keys.split(' '))
    }

    /// Returns the dialect that the keys of a request indicate.
    pub fn shape(&self) -> Dialect {
        match (self.has("type"), self.has("action"), self.has("id")) {
            (true, true, _) => Dialect::V0_7,
            (false, _, false) => Dialect::Plain,
            _ => Dialect::V1,
        }
    }

    /// Returns the id that answers must echo, as the server writes it.
    pub fn id(&self) -> Option<String> {
        let raw = self.0.get("id")?.get();
        let (length, id) = match raw.as_bytes()[0] {
            b'"' => {
                let text: String = serde_json::from_str(raw).ok()?;
                (text.len(), json!(text).to_string())
            }
            b'-' | b'0'..=b'9' => (raw.len(), raw.to_owned()),
            _ => return None,
        };
        (length <= ID_BYTES).then_some(id)
    }

    /// Returns whether this is an error frame of the given dialect.
    pub fn is_error(&self, dialect: Dialect) -> bool {
        let keys = match dialect {
            Dialect::V0_7 => "code message type",
            Dialect::Plain if self.has("group") => "code error group message model retry type",
            Dialect::Plain | Dialect::V1 => "code error message retry type",
        };
        self.get("type") == "error"
            && self.has_keys(keys)
            && (dialect != Dialect::Plain || !self.has("id"))
            && self.get("code").is_u64()
            && self.get("message").is_string()
            && (dialect == Dialect::V0_7
                || self.get("error").is_string() && self.get("retry").is_boolean())
    }

    /// Asserts that this is a valid frame for a connection with this dialect, if it has chosen one,
    /// and that it shows nothing that none of its users could ever see.
    pub fn assert_frame(&self, dialect: Option<Dialect>, users: &[User], history: &History) {
        let kind = self.get("type");
        let v1_keys = match kind.as_str() {
            None => {
                assert!(self.has_keys("action model payload"), "{self:?}");
                assert_eq!((dialect, self.has("id")), (Some(Dialect::Plain), false));
                return self.assert_visible(&self.get("payload"), users, history);
            }
            Some("error") => {
                let all = [Dialect::Plain, Dialect::V1, Dialect::V0_7];
                let reset = self.has_keys("code error message model retry type")
                    && self.get("code") == 410
                    && matches!(dialect, Some(Dialect::Plain | Dialect::V0_7));
                // Before a connection has chosen a dialect, errors use the dialect of the request.
                assert!(reset || all.iter().any(|d| self.is_error(*d)), "{self:?}");
                return;
            }
            Some("broadcast") if dialect == Some(Dialect::V0_7) => {
                assert!(self.has_keys("action instance model type"), "{self:?}");
                assert!(self.has("id"));
                let row = self.get("instance");
                if self.get("action") == "DELETED" {
                    self.assert_was_visible(&row, users, history);
                } else {
                    self.assert_visible(&row, users, history);
                }
                return;
            }
            Some("broadcast") => {
                self.assert_visible(&self.get("payload"), users, history);
                if self.has("unit") {
                    "action cursor group model payload type unit"
                } else {
                    "action cursor group model payload type"
                }
            }
            Some("unit" | "synced") => "cursor type",
            Some("authenticated") => "type",
            Some("unsubscribed") if self.has("code") => "code reason type",
            Some("hello") => "max_message_bytes max_subscriptions ping_ms session type",
            Some("subscribed") => "cursor group model recovered type",
            Some("unsubscribed" | "pong") => "type",
            Some("reset") => "cursor reason retry_ms type",
            Some(_) => panic!("{self:?} is not a frame"),
        };
        assert!(self.has_keys(v1_keys), "{self:?}");
        // These answers may be sent before a dialect is chosen, and be read afterwards.
        let has_no_dialect = ["pong", "authenticated", "synced"]
            .map(Value::from)
            .contains(&kind);
        assert!(dialect == Some(Dialect::V1) || has_no_dialect, "{self:?}");
    }

    fn rows<'h>(&self, row: &Value, history: &'h History) -> (Table, i32, &'h [Values]) {
        let label = self.get("model");
        let table = Table::ALL.into_iter().find(|table| label == table.label());
        let id = row["id"].as_i64().and_then(|id| id.try_into().ok());
        let key = (table.expect("a known model"), id.expect("a primary key"));
        (key.0, key.1, history.get(&key).expect("a row that existed"))
    }

    /// Asserts that a user could see the row with exactly this payload at some time.
    fn assert_visible(&self, row: &Value, users: &[User], history: &History) {
        let (table, id, states) = self.rows(row, history);
        let mut visible = states.iter().flat_map(|state| {
            let payloads = users.iter();
            payloads.filter_map(move |user| table.payload_for(*user, id, state))
        });
        assert!(
            visible.any(|visible| visible == *row),
            "{users:?} must not receive {self:?}"
        );
    }

    /// Asserts that a user could see the row with this key at some time.
    fn assert_was_visible(&self, key: &Value, users: &[User], history: &History) {
        let (table, id, states) = self.rows(key, history);
        assert_eq!(*key, json!({"pk": id, "id": id}));
        let mut visible = states.iter().flat_map(|state| {
            let payloads = users.iter();
            payloads.filter_map(move |user| table.payload_for(*user, id, state))
        });
        assert!(
            visible.next().is_some(),
            "{users:?} must not receive {self:?}"
        );
    }
}
