//! The messages between the client and every server, in the v1 dialect. It acknowledges a
//! subscription, so that the client knows when it is subscribed. A broadcast names its group, so
//! that the client can check it.

use serde::Deserialize;

/// The model without a permission.
pub const OPEN: &str = "bench.Open";
/// The model with a `check_permission`.
pub const ASKED: &str = "bench.Asked";

/// The path of the websocket on all servers.
pub const PATH: &str = "/ws/subscribe";

/// A text that makes a row about 200 bytes of JSON.
pub const TEXT: &str = "a text of ordinary length, such as somebody writes who has a few minutes and something to \
                        say, but neither a novel in mind nor a poem: two lines of it, or three";

/// A change of a row.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub group: i32,
    pub id: i32,
    /// When the change was due, by [`now`](super::host::now).
    pub sent: u64,
}

impl Message {
    /// Returns the frame that rest-live sends for this change, except for a digit of the cursor.
    pub fn text(&self) -> String {
        let Self { group, id, sent } = self;
        format!(
            r#"{}{sent},"id":{id},"done":false,"text":"{TEXT}"}},"cursor":"k3f9k3f9k3f9k.1000"}}"#,
            broadcast(OPEN, *group)
        )
    }
}

/// Returns the beginning of each broadcast of a group. The time at which it was due follows.
pub fn broadcast(model: &str, group: i32) -> String {
    format!(
        r#"{{"type":"broadcast","model":"{model}","group":{{"list_id":{group}}},"action":"UPDATED","payload":{{"sent":"#
    )
}

/// Returns the subscribe request for a group.
pub fn subscribe(model: &str, group: i32) -> String {
    format!(r#"{{"id":1,"model":"{model}","group":{{"list_id":{group}}}}}"#)
}

/// The beginning of the answer to a subscribe request.
pub const SUBSCRIBED: &str = r#"{"type":"subscribed","id":1"#;
/// The whole answer of the servers that have no cursor.
pub const SUBSCRIBED_ONLY: &str = r#"{"type":"subscribed","id":1}"#;

/// The beginning of the frame of a server that reports dropped broadcasts.
pub const RESET: &str = r#"{"type":"reset""#;

/// The beginning of the frame that ends the broadcasts of a transaction.
pub const UNIT_END: &str = r#"{"type":"unit""#;

/// Returns the group of a subscribe request.
pub fn group_of(request: &str) -> Option<i32> {
    #[derive(Deserialize)]
    struct Request {
        group: Group,
    }
    #[derive(Deserialize)]
    struct Group {
        list_id: i32,
    }
    let request: Request = serde_json::from_str(request).ok()?;
    Some(request.group.list_id)
}
