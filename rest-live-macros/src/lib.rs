//! The attribute macros of [rest-live](https://docs.rs/rest-live): `#[subscribable]` and `#[live]`.
//! Their documentation is on the re-exports in `rest-live`.
//!
//! This file converts tokens. `subscribable` and `live` each drive one macro. Imports go one way:
//! `subscribable` -> {`stack`, `ast`, `expand`} -> {`attr`, `hooks`} -> `column`, `crate_path`, `text`.

mod ast;
mod attr;
mod column;
mod crate_path;
mod expand;
#[cfg(test)]
mod golden;
mod hooks;
mod live;
mod stack;
mod subscribable;
mod text;

use proc_macro::TokenStream;

#[doc = "Makes the rows that a serializer shows subscribable. Documented in `rest-live`."]
#[proc_macro_attribute]
pub fn subscribable(args: TokenStream, item: TokenStream) -> TokenStream {
    subscribable::expand(args.into(), item.into()).into()
}

#[doc(hidden)]
#[proc_macro_attribute]
pub fn __collected(args: TokenStream, item: TokenStream) -> TokenStream {
    subscribable::expand_collected(args.into(), item.into()).into()
}

#[doc = "Captures the changes of a model with hooks of its own. Documented in `rest-live`."]
#[proc_macro_attribute]
pub fn live(args: TokenStream, item: TokenStream) -> TokenStream {
    live::expand(args.into(), item.into()).into()
}
