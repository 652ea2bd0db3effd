//! The usual recipe for axum: a `tokio::sync::broadcast` channel for each group, and a task for
//! each client that forwards its messages. A client that is too slow misses messages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{
        State,
        ws::{self, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::broadcast::{self, error::RecvError},
};

use super::Publish;
use crate::protocol::{self, Message};

/// Maximum number of pending broadcasts for the slowest client, as by default in rest-live.
const QUEUE: usize = 1024;

type Groups = Arc<Mutex<HashMap<i32, broadcast::Sender<Utf8Bytes>>>>;

pub struct Axum {
    groups: Groups,
}

impl Axum {
    pub fn start(listener: TcpListener) -> Self {
        let groups = Groups::default();
        let router = Router::new()
            .route(protocol::PATH, get(upgrade))
            .with_state(Arc::clone(&groups));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { groups }
    }
}

impl Publish for Axum {
    async fn publish(&self, messages: Vec<Message>) {
        let groups = self.groups.lock().unwrap();
        for message in messages {
            if let Some(group) = groups.get(&message.group) {
                _ = group.send(message.text().into());
            }
        }
    }
}

async fn upgrade(upgrade: WebSocketUpgrade, State(groups): State<Groups>) -> Response {
    upgrade.on_upgrade(|socket| serve(socket, groups))
}

async fn serve(mut socket: WebSocket, groups: Groups) {
    let Some(mut group) = join(&mut socket, &groups).await else {
        return;
    };
    loop {
        let sent = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => break,
            },
            text = group.recv() => match text {
                Ok(text) => socket.send(ws::Message::Text(text)).await,
                Err(RecvError::Lagged(_)) => Ok(()),
                Err(RecvError::Closed) => break,
            },
        };
        if sent.is_err() {
            break;
        }
    }
}

/// Waits for the subscribe request, and joins its group.
async fn join(socket: &mut WebSocket, groups: &Groups) -> Option<broadcast::Receiver<Utf8Bytes>> {
    let request = socket.recv().await?.ok()?;
    let group = protocol::group_of(request.to_text().ok()?)?;
    let joined = {
        let mut groups = groups.lock().unwrap();
        let group = groups.entry(group);
        group
            .or_insert_with(|| broadcast::channel(QUEUE).0)
            .subscribe()
    };
    let subscribed = ws::Message::text(protocol::SUBSCRIBED_ONLY);
    socket.send(subscribed).await.ok()?;
    Some(joined)
}
