#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr
)]
mod convergence;
mod entities;
mod support;
