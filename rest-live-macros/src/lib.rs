//! The attribute macros of [rest-live](https://docs.rs/rest-live): `#[subscribable]` and `#[live]`.
//! Their documentation is on the re-exports in `rest-live`.
//!
//! Tokens come in here and go out here. `attr` parses one attribute, `stack` gathers the
//! stacked ones of an item, `ast` validates the item with all of them, `expand` writes the code;
//! `live` is the other macro.

mod ast;
mod attr;
mod expand;
#[cfg(test)]
mod golden;
mod live;
mod stack;

use proc_macro::TokenStream;

#[doc = "Makes the rows that a serializer shows subscribable. Documented in `rest-live`."]
#[proc_macro_attribute]
pub fn subscribable(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::subscribable(args.into(), item.into()).into()
}

#[doc(hidden)]
#[proc_macro_attribute]
pub fn __collected(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collected(args.into(), item.into()).into()
}

#[doc = "Captures the changes of a model with hooks of its own. Documented in `rest-live`."]
#[proc_macro_attribute]
pub fn live(args: TokenStream, item: TokenStream) -> TokenStream {
    live::live(args.into(), item.into()).into()
}
