//! What server and client say to each other, whichever server it is: the dialect v1. It acknowledges, so that the
//! client knows when it is subscribed, and a broadcast says which group it is of, so that the client can check it.

use serde::Deserialize;

/// The model whose rows everybody may see, and the one with a permission.
pub const OPEN: &str = "bench.Open";
pub const ASKED: &str = "bench.Asked";

/// Where all servers have their websocket.
pub const PATH: &str = "/ws/subscribe";

/// With it a row is some 200 bytes of JSON.
pub const TEXT: &str = "a text of ordinary length, such as somebody writes who has a few minutes and something to \
                        say, but neither a novel in mind nor a poem: two lines of it, or three";

/// A change of a row.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub group: i32,
    pub id: i32,
    /// When it was due, by [`now`](super::host::now).
    pub sent: u64,
}

impl Message {
    /// Returns the bytes that rest-live sends of it, more or less a digit of the cursor.
    pub fn text(&self) -> String {
        let Self { group, id, sent } = self;
        format!(
            r#"{}{sent},"id":{id},"done":false,"text":"{TEXT}"}},"cursor":"k3f9k3f9k3f9k.1000"}}"#,
            broadcast(OPEN, *group)
        )
    }
}

/// Returns how each broadcast of a group begins; when it was due follows.
pub fn broadcast(model: &str, group: i32) -> String {
    format!(
        r#"{{"type":"broadcast","model":"{model}","group":{{"list_id":{group}}},"action":"UPDATED","payload":{{"sent":"#
    )
}

/// Returns the request for a group.
pub fn subscribe(model: &str, group: i32) -> String {
    format!(r#"{{"id":1,"model":"{model}","group":{{"list_id":{group}}}}}"#)
}

/// How the answer to it begins, and what a server says that has no more to tell.
pub const SUBSCRIBED: &str = r#"{"type":"subscribed","id":1"#;
pub const SUBSCRIBED_ONLY: &str = r#"{"type":"subscribed","id":1}"#;

/// How a server begins that has dropped broadcasts, and says so.
pub const RESET: &str = r#"{"type":"reset""#;

/// Returns the group that a request is for.
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
