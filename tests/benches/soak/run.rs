//! The whole of it, from the clients' side.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    end::{as_before, gone, shutdown},
    follower::Followers,
    ground::Ground,
    memory::{Memory, mebibytes},
    plan::Plan,
    process::Server,
    verdict::Verdict,
    wait::until,
};

const FOLLOWERS: usize = 40;
const MISBEHAVING: usize = 2000;

const SAMPLE: Duration = Duration::from_secs(5);
/// Samples to a line.
const LINE: u32 = 3;

/// Failures of the well-behaved that are printed: the others say the same.
const SHOWN: usize = 5;

/// So long the well-behaved may take for the last numbers.
const LAST: Duration = Duration::from_secs(30);

/// Runs it, and returns whether all was as it should be.
pub async fn run(plan: &Plan) -> bool {
    let mut server = Server::start().await;
    let before = server.counts().await;
    let followers = Followers::subscribe(server.address, FOLLOWERS).await;
    println!("{FOLLOWERS} well-behaved clients, and {MISBEHAVING} that are not.\n");
    server.write().await;

    let ground = Arc::new(Ground::new(server.address, Instant::now() + plan.time));
    let slots = ground.open(MISBEHAVING, plan.seed);
    let memory = watch(&mut server, &ground, &followers, plan.time).await;
    slots.join_all().await;

    let mut verdicts = vec![memory.verdict()];
    let held = ground.held();
    let who = format!("the misbehaving, but {held} that hold a stalled socket,");
    verdicts.push(gone(&mut server, &who, FOLLOWERS).await);
    ground.let_go();
    verdicts.push(all_read(&mut server, followers).await);
    verdicts.push(gone(&mut server, "the others", 0).await);
    verdicts.push(as_before(&mut server, before.tasks).await);
    verdicts.push(shutdown(&mut server, &ground).await);
    let panics = server.counts().await.panics;
    let says = format!("the server panicked {panics} times");
    verdicts.push(Verdict::new("panics", panics == 0, says));

    println!("\n{}", ground.tally.counted());
    println!();
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let holds = !verdicts.iter().any(Verdict::fails);
    if !holds {
        println!("\nto repeat it: {}", plan.command());
    }
    holds
}

/// Takes samples until it is over, and prints some of them.
async fn watch(
    server: &mut Server,
    ground: &Ground,
    followers: &Followers,
    time: Duration,
) -> Memory {
    let start = Instant::now();
    let mut memory = Memory::new(time);
    let mut pace = interval_at(start + SAMPLE, SAMPLE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for sample in 1.. {
        let at = pace.tick().await.min(ground.over);
        let counts = server.counts().await;
        let at = at - start;
        memory.add(at, counts.resident);
        // The last is due when it is over, or a moment later.
        let is_over = at + SAMPLE / 2 > time;
        if sample % LINE == 0 || is_over {
            let opened: u64 = ground.tally.counted().connections.values().sum();
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

/// Ends the writing, and judges what the well-behaved read of it.
async fn all_read(server: &mut Server, followers: Followers) -> Verdict {
    let last = server.stop_writing().await;
    followers.expect(last);
    // Those who have not read all until then say so.
    _ = until(LAST, async || followers.are_through()).await;
    let (frames, through) = (followers.frames(), followers.whole());
    let failures = followers.leave().await;
    for failure in failures.iter().take(SHOWN) {
        println!("  well-behaved, {failure}");
    }
    let holds = failures.is_empty() && through == FOLLOWERS && last > 0;
    let says = format!(
        "{through} of {FOLLOWERS} read the numbers 1 to {last}, each once and in order: {frames} frames"
    );
    Verdict::new("well-behaved", holds, says)
}
