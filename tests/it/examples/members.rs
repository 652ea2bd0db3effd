//! The members example: who sees what, over REST and over the websocket, before and after a change.

mod done_column;
mod membership;
mod private_list;
mod session;
mod visitor;
