//! Receives the notifications of other nodes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sea_orm::sqlx::{self, PgPool, postgres::PgListener};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::notify::{CHANNEL, notify};
use crate::node::{Node, with_timeout};

/// How long this node waits for its own notification. If it does not arrive, the node receives
/// none.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the node checks that notifications still arrive: a connection may end without notice.
/// It does not check while no client waits for events.
const ECHO_INTERVAL: Duration = Duration::from_secs(30);

/// How long the node waits first before it listens again. The interval doubles up to
/// [`MAX_RETRY_INTERVAL`].
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum wait before the node listens again.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum wait before the node listens again while no client waits for events.
const IDLE_RETRY_INTERVAL: Duration = Duration::from_secs(600);

pub(super) async fn run(node: Arc<Node>, pool: PgPool) {
    let mut retry_interval = RETRY_INTERVAL;
    loop {
        let result = listen(&node, &pool).await;
        if node.is_listening.swap(false, Ordering::Relaxed) {
            retry_interval = RETRY_INTERVAL;
        }
        // Events may have arrived while the node was not listening. Tails also switch to shorter
        // polls.
        node.wake();
        match result {
            Ok(()) => {
                tracing::debug!(
                    "this node receives no notifications, perhaps because of a pooler: it polls \
                     the outbox more often"
                );
            }
            Err(error) => {
                tracing::debug!(
                    %error,
                    "listening for notifications failed: this node polls the outbox more often"
                );
            }
        }
        sleep(retry_interval).await;
        retry_interval = (retry_interval * 2).min(MAX_RETRY_INTERVAL);
        // Without a client, notifications are worth no attempts: the tails poll now and then.
        let mut awaited_tails = node.awaited_tails.subscribe();
        let awaited = awaited_tails.wait_for(|tails| *tails > 0);
        _ = timeout(IDLE_RETRY_INTERVAL, awaited).await;
    }
}

/// Listens until the connection fails. Returns `Ok` if this node's own notifications do not come
/// back.
async fn listen(node: &Node, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = with_timeout(PgListener::connect_with(pool)).await?;
    with_timeout(listener.listen(CHANNEL)).await?;
    // A pooler in transaction mode accepts LISTEN, but passes no notifications on.
    let echo = format!("{}?", node.name);
    notify(node, &echo).await;
    let first_echo = async {
        while listener.recv().await?.payload() != echo {}
        Ok::<_, sqlx::Error>(())
    };
    match timeout(ECHO_TIMEOUT, first_echo).await {
        Ok(received) => received?,
        Err(_) => return Ok(()),
    }
    node.is_listening.store(true, Ordering::Relaxed);
    node.wake();
    listener.eager_reconnect(false);
    let mut awaited_tails = node.awaited_tails.subscribe();
    let mut is_awaited = *awaited_tails.borrow_and_update() > 0;
    let mut echo_interval = interval(ECHO_INTERVAL);
    echo_interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    echo_interval.tick().await; // The first tick is immediate.
    let mut is_echoed = true;
    loop {
        tokio::select! {
            notification = listener.try_recv() => match notification?.as_ref().map(|n| n.payload()) {
                None => return Err(sqlx::Error::WorkerCrashed),
                Some(payload) if payload == echo => is_echoed = true,
                // The tails of this node were woken at the commit.
                Some(payload) if payload == node.name => {}
                Some(_) => node.wake(),
            },
            // The node owns the sender.
            _ = awaited_tails.changed() => {
                let was_awaited = is_awaited;
                is_awaited = *awaited_tails.borrow_and_update() > 0;
                if is_awaited && !was_awaited {
                    // The connection may have ended without notice.
                    is_echoed = true;
                    echo_interval.reset_immediately();
                }
            }
            _ = echo_interval.tick(), if is_awaited => {
                if !std::mem::take(&mut is_echoed) {
                    return Ok(());
                }
                notify(node, &echo).await;
            }
        }
    }
}
