//! The attribute macros of [rest-live](https://docs.rs/rest-live): `#[subscribable]` and
//! `#[live]`. The re-exports in `rest-live` document them.
//!
//! This file only converts tokens. `subscribable` and `live` each drive one macro:
//! - `subscribable` uses `stack` (the stacked attributes of an item), `attr` (one attribute),
//!   `ast` (the item with all its attributes, validated) and `expand` (the generated code);
//! - `live` and `expand` use `hooks` (the generated model hooks).
//!
//! `column`, `crate_path` and `text` are small tools that import no other module.

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

#[allow(missing_docs, reason = "the re-export in rest-live documents it")]
#[proc_macro_attribute]
pub fn subscribable(args: TokenStream, item: TokenStream) -> TokenStream {
    subscribable::expand(args.into(), item.into()).into()
}

#[doc(hidden)]
#[proc_macro_attribute]
pub fn __collected(args: TokenStream, item: TokenStream) -> TokenStream {
    subscribable::expand_collected(args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "the re-export in rest-live documents it")]
#[proc_macro_attribute]
pub fn live(args: TokenStream, item: TokenStream) -> TokenStream {
    live::expand(args.into(), item.into()).into()
}
