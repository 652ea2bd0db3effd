//! The requests of the clients, in each dialect.

pub const MODEL: &str = "soak.Task";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Plain,
    V1,
    V0_7,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::Plain, Self::V1, Self::V0_7];

    /// Returns the request that subscribes to a list. If the dialect has ids, the id is the list.
    pub fn subscribe(self, list: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","list_id":{list}}}"#),
            Self::V1 => {
                format!(r#"{{"id":{list},"model":"{MODEL}","group":{{"list_id":{list}}}}}"#)
            }
            Self::V0_7 => format!(
                r#"{{"type":"subscribe","id":{list},"action":"list","view_kwargs":{{"list_id":{list}}},"model":"{MODEL}"}}"#
            ),
        }
    }

    /// Returns the request that subscribes to a row.
    pub fn subscribe_to_row(self, pk: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","pk":{pk}}}"#),
            Self::V1 => format!(r#"{{"id":"row {pk}","model":"{MODEL}","group":{{"pk":{pk}}}}}"#),
            Self::V0_7 => format!(
                r#"{{"type":"subscribe","id":"row {pk}","action":"retrieve","lookup_by":{pk},"model":"{MODEL}"}}"#
            ),
        }
    }

    /// Returns the request that unsubscribes from a list.
    pub fn unsubscribe(self, list: i32) -> String {
        match self {
            Self::Plain => format!(r#"{{"model":"{MODEL}","list_id":{list},"unsubscribe":true}}"#),
            Self::V1 | Self::V0_7 => format!(r#"{{"type":"unsubscribe","id":{list}}}"#),
        }
    }
}
