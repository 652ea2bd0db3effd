//! A careful server on `warp::ws()`: one task for each client, a bounded queue, one shared text for
//! all clients, and one flush for all pending messages. A client that is too slow misses messages.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpListener, sync::mpsc};
use warp::ws::{self, WebSocket};

use super::{Publish, serve_websockets};
use crate::protocol::{self, Message};

/// Maximum number of pending broadcasts for one client, as by default in rest-live.
const QUEUE: usize = 1024;

static NEXT_CLIENT: AtomicUsize = AtomicUsize::new(0);

type Room = HashMap<usize, mpsc::Sender<ws::Message>>;
type Rooms = Arc<Mutex<HashMap<i32, Room>>>;

pub struct Careful {
    rooms: Rooms,
}

impl Careful {
    pub fn start(listener: TcpListener) -> Self {
        let rooms = Rooms::default();
        serve_websockets(listener, Arc::clone(&rooms), serve);
        Self { rooms }
    }
}

impl Publish for Careful {
    async fn publish(&self, messages: Vec<Message>) {
        let rooms = self.rooms.lock().unwrap();
        for message in messages {
            let text = ws::Message::text(message.text());
            for queue in rooms.get(&message.group).into_iter().flat_map(Room::values) {
                _ = queue.try_send(text.clone());
            }
        }
    }
}

async fn serve(mut socket: WebSocket, rooms: Rooms) {
    let client = NEXT_CLIENT.fetch_add(1, Ordering::Relaxed);
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let mut messages = Vec::new();
    loop {
        let sent = tokio::select! {
            message = socket.next() => {
                let Some(Ok(message)) = message else { break };
                if let Some(group) = message.to_str().ok().and_then(protocol::group_of) {
                    let mut rooms = rooms.lock().unwrap();
                    rooms.entry(group).or_default().insert(client, queue.clone());
                    _ = queue.try_send(ws::Message::text(protocol::SUBSCRIBED_ONLY));
                }
                Ok(())
            }
            _ = waiting.recv_many(&mut messages, QUEUE) => send(&mut socket, &mut messages).await,
        };
        if sent.is_err() {
            break;
        }
    }
    for room in rooms.lock().unwrap().values_mut() {
        room.remove(&client);
    }
}

async fn send(socket: &mut WebSocket, messages: &mut Vec<ws::Message>) -> Result<(), warp::Error> {
    for message in messages.drain(..) {
        socket.feed(message).await?;
    }
    socket.flush().await
}
