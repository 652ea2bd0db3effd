//! Hears what other nodes have committed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sea_orm::sqlx::{self, PgPool, postgres::PgListener};
use tokio::time::{interval, sleep, timeout};

use super::notify::{CHANNEL, tell};
use crate::node::{Node, timed};

/// How long this node's own notification may be under way, by which it finds that it hears any.
const ECHO: Duration = Duration::from_secs(2);

/// How often it looks whether it still does: a connection may end without a word.
const BEAT: Duration = Duration::from_secs(30);

/// When it tries again, at first and after a while.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

pub(super) async fn run(node: Arc<Node>, pool: PgPool) {
    let mut retry = RETRY.0;
    loop {
        let end = hear(&node, &pool).await;
        if node.listens.swap(false, Ordering::Relaxed) {
            retry = RETRY.0;
        }
        // What came while nobody listened; and from now on they look more often.
        node.wake();
        match end {
            Ok(()) => {
                tracing::debug!("no notification comes back: there may be a pooler in between");
            }
            Err(error) => tracing::debug!(%error, "other nodes are not heard"),
        }
        sleep(retry).await;
        retry = (retry * 2).min(RETRY.1);
    }
}

/// Listens until the connection ends, or nothing comes back of what this node tells itself.
async fn hear(node: &Node, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = timed(PgListener::connect_with(pool)).await?;
    timed(listener.listen(CHANNEL)).await?;
    // A pooler in transaction mode takes LISTEN, and then nothing comes.
    let echo = format!("{}?", node.name);
    tell(node, &echo).await;
    let heard = async {
        while listener.recv().await?.payload() != echo {}
        Ok::<_, sqlx::Error>(())
    };
    match timeout(ECHO, heard).await {
        Ok(heard) => heard?,
        Err(_) => return Ok(()),
    }
    node.listens.store(true, Ordering::Relaxed);
    node.wake();
    listener.eager_reconnect(false);
    let mut beat = interval(BEAT);
    beat.tick().await; // at once
    let mut heard = true;
    loop {
        tokio::select! {
            notification = listener.try_recv() => match notification?.as_ref().map(|n| n.payload()) {
                None => return Err(sqlx::Error::WorkerCrashed),
                Some(payload) if payload == echo => heard = true,
                // Its own tails know already.
                Some(payload) if payload == node.name => {}
                Some(_) => node.wake(),
            },
            _ = beat.tick() => {
                if !std::mem::take(&mut heard) {
                    return Ok(());
                }
                tell(node, &echo).await;
            }
        }
    }
}
