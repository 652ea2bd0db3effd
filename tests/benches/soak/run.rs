//! The soak test, from the side of the clients.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    end::{shutdown, wait_for_connections, wait_for_tasks},
    follower::Followers,
    memory::{Memory, mebibytes},
    plan::Plan,
    process::Server,
    swarm::Swarm,
    verdict::Verdict,
    wait::until,
};

const FOLLOWERS: usize = 40;
const MISBEHAVING: usize = 2000;

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// Samples per printed line.
const SAMPLES_PER_LINE: u32 = 3;

/// Maximum number of printed failures. Further ones are usually the same.
const MAX_PRINTED_FAILURES: usize = 5;

/// How long the well-behaved clients may take to read the last numbers.
const LAST_NUMBERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the test, and returns whether all checks hold.
pub async fn run(plan: &Plan) -> bool {
    let mut server = Server::start().await;
    let before = server.counts().await;
    let followers = Followers::subscribe(server.address, FOLLOWERS).await;
    println!("{FOLLOWERS} well-behaved clients, {MISBEHAVING} misbehaving clients.\n");
    server.write().await;

    let swarm = Arc::new(Swarm::new(server.address, Instant::now() + plan.time));
    let actors = swarm.start(MISBEHAVING, plan.seed);
    let memory = watch(&mut server, &swarm, &followers, plan.time).await;
    actors.join_all().await;

    let mut verdicts = vec![memory.verdict()];
    let stalled = swarm.stalled();
    let event =
        format!("the misbehaving clients disconnected, except {stalled} with a stalled socket");
    verdicts.push(wait_for_connections(&mut server, &event, FOLLOWERS).await);
    swarm.drop_stalled();
    verdicts.push(check_well_behaved(&mut server, followers).await);
    verdicts.push(wait_for_connections(&mut server, "the other clients disconnected", 0).await);
    verdicts.push(wait_for_tasks(&mut server, before.tasks).await);
    verdicts.push(shutdown(&mut server, &swarm).await);
    let panics = server.counts().await.panics;
    let details = format!("the server panicked {panics} times");
    verdicts.push(Verdict::new("panics", panics == 0, details));

    println!("\n{}", swarm.tally.counts());
    println!();
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let holds = !verdicts.iter().any(Verdict::fails);
    if !holds {
        println!("\nTo repeat this run: {}", plan.command());
    }
    holds
}

/// Takes samples until the time is over, and prints some of them.
async fn watch(
    server: &mut Server,
    swarm: &Swarm,
    followers: &Followers,
    time: Duration,
) -> Memory {
    let start = Instant::now();
    let mut memory = Memory::new(time);
    let mut pace = interval_at(start + SAMPLE_INTERVAL, SAMPLE_INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for sample in 1.. {
        let at = pace.tick().await.min(swarm.deadline);
        let counts = server.counts().await;
        let at = at - start;
        memory.add(at, counts.resident);
        // The last sample is due when the time is over, or shortly after.
        let is_over = at + SAMPLE_INTERVAL / 2 > time;
        if sample % SAMPLES_PER_LINE == 0 || is_over {
            let opened: u64 = swarm.tally.counts().connections.values().sum();
            println!(
                "{:>4} s  {:>10}  {:>5} connections of {opened}  {:>5} tasks  {:>8} frames read, {} failures",
                at.as_secs_f64().round(),
                mebibytes(counts.resident),
                counts.connections,
                counts.tasks,
                followers.frames(),
                followers.failed(),
            );
        }
        if is_over {
            break;
        }
    }
    memory
}

/// Stops the writers, and checks that the well-behaved clients have read everything.
async fn check_well_behaved(server: &mut Server, followers: Followers) -> Verdict {
    let last = server.stop_writing().await;
    followers.expect(last);
    // The result is not needed: the counts below show which clients have not read everything.
    _ = until(LAST_NUMBERS_TIMEOUT, async || followers.are_done()).await;
    let (frames, complete) = (followers.frames(), followers.complete());
    let failures = followers.leave().await;
    for failure in failures.iter().take(MAX_PRINTED_FAILURES) {
        println!("  well-behaved client failed: {failure}");
    }
    let holds = failures.is_empty() && complete == FOLLOWERS && last > 0;
    let details = format!(
        "{complete} of {FOLLOWERS} read the numbers 1 to {last}, each once and in order: {frames} frames"
    );
    Verdict::new("well-behaved", holds, details)
}
