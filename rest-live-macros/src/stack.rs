//! Gathers the stacked attributes of one item, so that they expand once.
//!
//! The first `#[subscribable]` sees the whole item and takes its siblings off. A sibling under
//! another name (`use rest_live::subscribable as live_row`, or inside a `cfg_attr`) cannot be told
//! from a foreign attribute. So where a foreign attribute is left, the item goes back to the
//! compiler with all that was gathered in `#[__collected(...)]` as its last attribute: a sibling in
//! between adds its own to it, and when only it is left, everything is there.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Meta, Path, Token, parse::Parser, punctuated::Punctuated, spanned::Spanned};

use crate::{attr::Attr, crate_path::default_crate};

pub(crate) const SUBSCRIBABLE: &str = "subscribable";
const COLLECTED: &str = "__collected";

/// Attributes that are no macros: the compiler's own, and those of derives that serializers have.
/// Not `cfg`: behind it, [`collected`] comes only to an item that is there.
const INERT: [&str; 14] = [
    "allow",
    "automatically_derived",
    "deny",
    "deprecated",
    "derive",
    "doc",
    "expect",
    "forbid",
    "must_use",
    "non_exhaustive",
    "repr",
    "sea_orm",
    "serde",
    "warn",
];

/// Takes the attributes of the stack off the item and returns the arguments of each, in order.
pub(crate) fn gather(args: TokenStream, attrs: &mut Vec<Attribute>) -> Vec<Group> {
    let mut stack = take(attrs, COLLECTED)
        .first()
        .map(|collected| unpack(arguments(collected).stream()))
        .unwrap_or_default();
    stack.push(parenthesize(args, Span::call_site()));
    stack.extend(take(attrs, SUBSCRIBABLE).iter().map(arguments));
    stack
}

/// Takes off the attributes whose path ends in a name.
pub(crate) fn take(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    let (taken, left) = std::mem::take(attrs)
        .into_iter()
        .partition(|a| a.path().segments.last().is_some_and(|s| s.ident == name));
    *attrs = left;
    taken
}

pub(crate) fn is_inert(attr: &Attribute) -> bool {
    let segments = &attr.path().segments;
    // `clippy::…`, `rustfmt::…` are the tools'; what else has several segments may be anything.
    match segments.first() {
        Some(first) if segments.len() == 1 => INERT.iter().any(|name| first.ident == name),
        Some(first) => ["clippy", "diagnostic", "rustfmt"]
            .iter()
            .any(|tool| first.ident == tool),
        None => false,
    }
}

fn arguments(attr: &Attribute) -> Group {
    let args = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        // `#[subscribable = ..]` is no call; its parsing says so at this place.
        Meta::NameValue(wrong) => wrong.value.to_token_stream(),
    };
    parenthesize(args, attr.path().span())
}

fn parenthesize(args: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, args);
    group.set_span(span);
    group
}

/// `(a), (b)` to `(a)` and `(b)`.
pub(crate) fn unpack(args: TokenStream) -> Vec<Group> {
    Punctuated::<Group, Token![,]>::parse_terminated
        .parse2(args)
        .map(|stack| stack.into_iter().collect())
        .unwrap_or_default()
}

/// Returns the path of the `rest-live` crate: `::rest_live`, or what `crate = path` says.
pub(crate) fn crate_path(stack: &[Group]) -> Path {
    let mut ignored = Vec::new();
    stack
        .iter()
        .find_map(|args| Attr::parse(args.clone(), &mut ignored).krate)
        .unwrap_or_else(default_crate)
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;
    use crate::text::to_text;

    #[test]
    fn only_what_is_surely_no_macro_is_inert() {
        let inert: [Attribute; 4] = [
            parse_quote!(#[derive(Clone)]),
            parse_quote!(#[doc = "A task."]),
            parse_quote!(#[clippy::msrv = "1.94"]),
            parse_quote!(#[rustfmt::skip]),
        ];
        let others: [Attribute; 5] = [
            parse_quote!(#[live_row]),
            parse_quote!(#[cfg(test)]),
            parse_quote!(#[cfg_attr(test, subscribable)]),
            parse_quote!(#[derive::derive]),
            parse_quote!(#[pin_project]),
        ];
        assert!(inert.iter().all(is_inert));
        assert!(!others.iter().any(is_inert));
    }

    #[test]
    fn a_stack_is_handed_on_in_order_and_without_loss() {
        let mut attrs: Vec<Attribute> = vec![
            parse_quote!(#[rest_live::subscribable]),
            parse_quote!(#[derive(Clone)]),
            parse_quote!(#[subscribable(group_key = "a", public)]),
        ];
        let stack: Vec<Group> = take(&mut attrs, "subscribable")
            .iter()
            .map(arguments)
            .collect();
        assert_eq!(attrs.len(), 1);

        let unpacked = unpack(quote!(#(#stack),*));
        let unpacked: Vec<_> = unpacked.iter().map(ToString::to_string).collect();
        assert_eq!(unpacked, ["()", r#"(group_key = "a" , public)"#]);
    }

    #[test]
    fn the_crate_may_be_named_on_any_attribute() {
        let stack = [
            parse_quote!((public)),
            parse_quote!((crate = vendored::rest_live)),
        ];
        assert_eq!(to_text(&crate_path(&stack)), "vendored::rest_live");
        assert_eq!(to_text(&crate_path(&stack[..1])), "::rest_live");
    }
}
