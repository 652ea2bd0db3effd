//! The servers. Each one runs in a process of its own, reads loads from its input, and publishes
//! them.

mod axum;
mod careful;
mod chat;
pub mod rest_live;

use std::{io::stdin, net::SocketAddr, sync::Arc};

use rustix::net::sockopt::set_tcp_nodelay;
use tokio::net::TcpListener;
use warp::{
    Filter,
    ws::{WebSocket, Ws},
};

use self::{axum::Axum, careful::Careful, chat::Chat, rest_live::RestLive};
use super::{
    host,
    load::{Load, offer},
    protocol::{self, Message},
};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    RestLive,
    /// rest-live with a `check_permission`.
    Asked,
    /// rest-live, with a transaction for each row.
    Alone,
    Chat,
    ChatNodelay,
    Careful,
    Axum,
}

impl Variant {
    const ALL: [Self; 7] = [
        Self::RestLive,
        Self::Asked,
        Self::Alone,
        Self::Chat,
        Self::ChatNodelay,
        Self::Careful,
        Self::Axum,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::RestLive => "rest-live",
            Self::Asked => "rest-live with check_permission",
            Self::Alone => "rest-live without units",
            Self::Chat => "chat",
            Self::ChatNodelay => "chat-nodelay",
            Self::Careful => "careful",
            Self::Axum => "axum",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// Returns the model whose groups the server serves.
    pub fn model(self) -> &'static str {
        match self {
            Self::Asked => protocol::ASKED,
            _ => protocol::OPEN,
        }
    }
}

/// Publishes transactions.
pub trait Publish: Send + Sync + 'static {
    /// Sends the messages to the subscribers, or queues them. Does not wait for any subscriber.
    fn publish(&self, messages: Vec<Message>) -> impl Future<Output = ()> + Send;
}

/// Serves each websocket with warp and a value that all of them share.
fn serve_websockets<S, F>(listener: TcpListener, shared: S, serve: fn(WebSocket, S) -> F)
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let route = warp::path!("ws" / "subscribe")
        .and(warp::ws())
        .map(move |upgrade: Ws| {
            let shared = shared.clone();
            upgrade.on_upgrade(move |socket| serve(socket, shared))
        });
    tokio::spawn(warp::serve(route).incoming(listener).run());
}

/// Prints the address of the server, and then publishes a load for each line until the input ends.
pub fn run(variant: Variant) {
    host::pin(host::OF_SERVER);
    rest_live_benches::raise_files();
    // The runtime that `#[tokio::main]` builds on one core.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (listener, address) = listen(variant).await;
        match variant {
            Variant::RestLive | Variant::Asked | Variant::Alone => {
                serve(address, RestLive::start(listener, variant).await).await;
            }
            Variant::Chat | Variant::ChatNodelay => serve(address, Chat::start(listener)).await,
            Variant::Careful => serve(address, Careful::start(listener)).await,
            Variant::Axum => serve(address, Axum::start(listener)).await,
        }
    });
}

async fn serve(address: SocketAddr, server: impl Publish) {
    let server = Arc::new(server);
    println!("{address}");
    for line in stdin().lines() {
        let load: Load = serde_json::from_str(&line.unwrap()).unwrap();
        tokio::spawn(offer(Arc::clone(&server), load));
    }
}

/// Returns a listener. It sets TCP_NODELAY, which accepted sockets inherit on Linux, except for the
/// server that is measured without it, and for rest-live, which sets it itself.
async fn listen(variant: Variant) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keeps_default = matches!(
        variant,
        Variant::RestLive | Variant::Asked | Variant::Alone | Variant::Chat
    );
    if !keeps_default {
        set_tcp_nodelay(&listener, true).unwrap();
    }
    let address = listener.local_addr().unwrap();
    (listener, address)
}
