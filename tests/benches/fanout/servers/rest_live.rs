//! rest-live, with its warp filter and its default limits. Nothing is written to a database: the
//! events are appended to the log as capture would append them.

use std::sync::Arc;

use rest_live::{
    Live,
    auth::KeyValue,
    log::{Event, EventLog, MemoryLog, Row},
    subscribable,
};
use sea_orm::{Database, DerivePartialModel};
use serde::Serialize;
use tokio::net::TcpListener;
use warp::Filter;

use super::{Publish, Variant};
use crate::protocol::{self, Message};

macro_rules! model {
    ($name:ident, $table:literal) => {
        mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub sent: i64,
                pub done: bool,
                pub text: String,
                pub owner_id: i32,
                pub list_id: i32,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl From<&crate::protocol::Message> for Model {
                fn from(message: &crate::protocol::Message) -> Self {
                    Self {
                        id: message.id,
                        sent: message.sent as i64,
                        done: false,
                        text: crate::protocol::TEXT.to_owned(),
                        owner_id: -1,
                        list_id: message.group,
                    }
                }
            }
        }
    };
}

model!(open, "open");
model!(asked, "asked");

pub struct User {
    id: i32,
    lists: Vec<i32>,
}

impl User {
    pub fn any() -> Self {
        Self {
            id: 1,
            lists: vec![7, 5, 3, 0],
        }
    }
}

/// A typical permission: one user owns the row, and all others may see the list.
fn may_see(user: &User, row: &asked::Model) -> bool {
    user.id == row.owner_id || user.lists.contains(&row.list_id)
}

// The field that the client reads comes first.
#[subscribable(group_key = "list_id", model = "bench.Open")]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "open::Entity")]
struct OpenSerializer {
    sent: i64,
    id: i32,
    done: bool,
    text: String,
}

#[subscribable(group_key = "list_id", model = "bench.Asked", check_permission = may_see)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "asked::Entity")]
struct AskedSerializer {
    sent: i64,
    id: i32,
    done: bool,
    text: String,
}

pub struct RestLive {
    log: MemoryLog,
    model: Arc<str>,
    /// Whether each row is a transaction of its own.
    is_split: bool,
}

impl RestLive {
    pub async fn start(listener: TcpListener, variant: Variant) -> Self {
        let (live, log) = live().await;
        let user = warp::any().map(User::any);
        let routes =
            warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions_as(&live, user));
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        Self {
            log,
            model: variant.model().into(),
            is_split: variant == Variant::Alone,
        }
    }
}

impl Publish for RestLive {
    async fn publish(&self, messages: Vec<Message>) {
        let rows = if self.is_split { 1 } else { messages.len() };
        for messages in messages.chunks(rows) {
            let events = messages.iter().map(|message| event(&self.model, message));
            let append = self.log.append(events.map(Into::into).collect());
            append.await.unwrap();
        }
    }
}

/// Returns a `Live`, and its log for appending events.
pub async fn live() -> (Live<User>, MemoryLog) {
    let log = MemoryLog::default();
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let live = Live::<User>::builder(db).log(log.clone()).build();
    (live.unwrap(), log)
}

/// Returns the event that capture makes of a saved row. With a permission, it has the old row.
pub fn event(model: &Arc<str>, message: &Message) -> Event {
    let key = KeyValue::Integer(message.id.into());
    let (old, new) = match &**model {
        protocol::OPEN => (None, Row::new(open::Model::from(message))),
        _ => {
            let row = asked::Model::from(message);
            (Some(Row::new(row.clone())), Row::new(row))
        }
    };
    Event::updated(Arc::clone(model), key, old, new)
}
