//! Servers that cannot hold the log: those of a cluster, and replicas.

use rest_live_redis::{RedisLog, RedisLogError};

use super::{Redis, soon, until};

async fn refusal(redis: &Redis) -> RedisLogError {
    let url = redis.url();
    let connect = RedisLog::connect(&url);
    soon("an answer", connect).await.unwrap_err()
}

#[tokio::test]
async fn cluster_is_refused() {
    let redis = Redis::start_with("--save '' --cluster-enabled yes").await;
    // First without slots, then with all: such a node accepts commands on one key.
    for slots in [false, true] {
        if slots {
            let _: String = redis.ask("CLUSTER ADDSLOTSRANGE 0 16383").await;
            soon("a cluster that serves keys", async {
                while !redis
                    .ask::<String>("CLUSTER INFO")
                    .await
                    .contains("cluster_state:ok")
                {
                    tokio::time::sleep(crate::support::TICK).await;
                }
            })
            .await;
        }
        let error = refusal(&redis).await;
        let is_expected = matches!(
            error,
            RedisLogError::Mode {
                mode: "cluster",
                ..
            }
        );
        let text = error.to_string();
        assert!(
            is_expected && text.contains("Use a Redis that is no cluster"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn replica_is_refused_until_it_is_promoted() {
    let redis = Redis::start().await;
    let _: String = redis.ask("REPLICAOF 127.0.0.1 1").await;
    let error = refusal(&redis).await;
    assert!(matches!(error, RedisLogError::Replica { .. }), "{error:?}");
    assert!(error.to_string().contains("the primary"), "{error}");
    let _: String = redis.ask("REPLICAOF NO ONE").await;
    until(&redis, "EXISTS rest-live:events", 0).await;
    super::node(&redis).await;
}
