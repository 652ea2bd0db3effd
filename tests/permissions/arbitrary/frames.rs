//! What a frame may look like, whatever was said to make it come.

use std::collections::BTreeMap;

use serde_json::{Value, json, value::RawValue};

use super::ID_BYTES;
use crate::{
    clients::Dialect,
    entities::{Table, User, Values},
};

/// The states that a row ever had.
pub type History = BTreeMap<(Table, i32), Vec<Values>>;

/// An object whose values are as they were written: an id may be a number that is too large for JSON
/// libraries.
#[derive(Debug)]
pub struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Returns a value; `null` also for what is there and no JSON library reads.
    pub fn get(&self, key: &str) -> Value {
        let raw = self.0.get(key);
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or(Value::Null)
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns whether these are all keys. An `id` is told of apart.
    fn is(&self, keys: &str) -> bool {
        let own = self.0.keys().map(String::as_str).filter(|key| *key != "id");
        own.eq(keys.split(' '))
    }

    /// Returns the dialect whose shape a request has.
    pub fn shape(&self) -> Dialect {
        match (self.has("type"), self.has("action"), self.has("id")) {
            (true, true, _) => Dialect::V0_7,
            (false, _, false) => Dialect::Plain,
            _ => Dialect::V1,
        }
    }

    /// Returns the id that is to be echoed, in the one way to write it.
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

    /// Returns whether it is an error frame as this dialect writes it.
    pub fn is_error(&self, dialect: Dialect) -> bool {
        let keys = match dialect {
            Dialect::V0_7 => "code message type",
            Dialect::Plain | Dialect::V1 => "code error message retry type",
        };
        self.get("type") == "error"
            && self.is(keys)
            && (dialect != Dialect::Plain || !self.has("id"))
            && self.get("code").is_u64()
            && self.get("message").is_string()
            && (dialect == Dialect::V0_7
                || self.get("error").is_string() && self.get("retry").is_boolean())
    }

    /// Asserts that it is a frame of some kind, that may come to a connection that speaks this, if
    /// anything, and shows nothing that this user could never see.
    pub fn assert_frame(&self, spoken: Option<Dialect>, user: User, history: &History) {
        let kind = self.get("type");
        let v1_keys = match kind.as_str() {
            None => {
                assert!(self.is("action model payload"), "{self:?}");
                assert_eq!((spoken, self.has("id")), (Some(Dialect::Plain), false));
                return self.assert_visible(&self.get("payload"), user, history);
            }
            Some("error") => {
                let all = [Dialect::Plain, Dialect::V1, Dialect::V0_7];
                let reset = self.is("code error message model retry type")
                    && self.get("code") == 410
                    && matches!(spoken, Some(Dialect::Plain | Dialect::V0_7));
                // What is told before a dialect is chosen is told in the request's.
                assert!(reset || all.iter().any(|d| self.is_error(*d)), "{self:?}");
                return;
            }
            Some("broadcast") if spoken == Some(Dialect::V0_7) => {
                assert!(self.is("action instance model type"), "{self:?}");
                assert!(self.has("id"));
                let row = self.get("instance");
                return match self.get("action") == "DELETED" {
                    true => self.assert_was_visible(&row, user, history),
                    false => self.assert_visible(&row, user, history),
                };
            }
            Some("broadcast") => {
                self.assert_visible(&self.get("payload"), user, history);
                "action cursor group model payload type"
            }
            Some("hello") => "max_message_bytes max_subscriptions ping_ms session type",
            Some("subscribed") => "cursor group model recovered type",
            Some("unsubscribed" | "pong") => "type",
            Some("reset") => "cursor reason retry_ms type",
            Some(_) => panic!("{self:?} is no frame"),
        };
        assert!(self.is(v1_keys), "{self:?}");
        // The answer to a ping, and that alone, may come before there is a dialect, and be read after.
        assert!(spoken == Some(Dialect::V1) || kind == "pong", "{self:?}");
    }

    fn rows<'h>(&self, row: &Value, history: &'h History) -> (Table, i32, &'h [Values]) {
        let label = self.get("model");
        let table = Table::ALL.into_iter().find(|table| label == table.label());
        let id = row["id"].as_i64().and_then(|id| id.try_into().ok());
        let place = (table.expect("a model"), id.expect("a key"));
        (
            place.0,
            place.1,
            history.get(&place).expect("a row that was"),
        )
    }

    /// Asserts that a row was just so for this user at some time.
    fn assert_visible(&self, row: &Value, user: User, history: &History) {
        let (table, id, states) = self.rows(row, history);
        let mut seen = states
            .iter()
            .filter_map(|state| table.shown(user, id, state));
        assert!(seen.any(|seen| seen == *row), "{user:?} was told {self:?}");
    }

    fn assert_was_visible(&self, key: &Value, user: User, history: &History) {
        let (table, id, states) = self.rows(key, history);
        assert_eq!(*key, json!({"pk": id, "id": id}));
        let mut seen = states
            .iter()
            .filter_map(|state| table.shown(user, id, state));
        assert!(seen.next().is_some(), "{user:?} was told {self:?}");
    }
}
