//! Measures the cost of sending an event to every subscriber, compared with four servers written by
//! hand. Run it with `cargo xtask bench fanout`, and add the letters of shapes to run only these.
//!
//! There are three processes: this one starts the others and reads their processor time; the server
//! runs on the first core; the client, with all connections, runs on the second. All servers use
//! the v1 dialect and send the same number of bytes.
//!
//! The shapes are open loops. An event is due at a fixed time, whether or not the server is ready,
//! and its latency counts from that time. So the latency shows when a server falls behind. A timer
//! of tokio may be a millisecond late, for all servers alike.
//!
//! Each shape is measured several times. The servers take turns, so that other load on the machine
//! affects all of them. On loopback, the server's processor time includes the kernel's part of
//! receiving.

#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "a program")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program")]

mod claim;
mod client;
mod host;
mod idle_groups;
mod idle_sockets;
mod load;
mod process;
mod protocol;
mod sample;
mod servers;
mod shapes;
mod table;

use std::time::Instant;

use rest_live_benches::{machine, names};

use self::{
    servers::Variant,
    shapes::{SHAPES, Shape},
};

fn main() {
    let args = names();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["server", variant] => servers::run(Variant::named(variant).unwrap()),
        ["client", plan] => client::run(&serde_json::from_str(plan).unwrap()),
        ["groups", count] => idle_groups::run(count.parse().unwrap()),
        ref letters => measure(letters),
    }
}

fn measure(letters: &[&str]) {
    let is_known = |letter: &&&str| SHAPES.iter().any(|shape| shape.letter == **letter);
    if let Some(wrong) = letters.iter().find(|letter| !is_known(letter)) {
        println!("there is no shape {wrong:?}; the shapes are:");
        for Shape { letter, title, .. } in SHAPES {
            println!("  {letter}  {title}");
        }
        std::process::exit(2);
    }
    let start = Instant::now();
    let command = ["cargo xtask bench fanout", &letters.join(" ")].join(" ");
    println!("{}", machine::description(command.trim_end()));
    println!("Medians of {} runs. {}", shapes::RUNS, host::pinning());
    if let Some(load) = machine::load() {
        println!("Load average before the run: {load}.");
    }
    for shape in SHAPES {
        if letters.is_empty() || letters.contains(&shape.letter) {
            println!("\n### ({}) {}\n", shape.letter, shape.title);
            print!("{}", (shape.measure)());
        }
    }
    println!("\nThe run took {} s.", start.elapsed().as_secs());
}
