//! The stack: all `#[subscribable]` attributes of one item, which expand together.
//!
//! The compiler expands the first attribute of the stack with the whole item as input. That
//! expansion removes the other `#[subscribable]` attributes and expands them all at once.
//!
//! Some attributes of the stack cannot be recognized: one under another name
//! (`use rest_live::subscribable as live_row`), and one inside a `cfg_attr`. They look like an
//! attribute macro of another crate. So if the item has any attribute that may be a macro, the
//! expansion returns the item with the stack in a last attribute, `#[__collected(...)]`. The
//! compiler expands the remaining attributes first. Each attribute of the stack adds its arguments
//! to `#[__collected]`, which expands last and then has the complete stack.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Meta, Path, Token, parse::Parser, punctuated::Punctuated, spanned::Spanned};

use crate::{attr::Attr, crate_path::default_crate};

/// The name of the attribute in a stack.
pub(crate) const SUBSCRIBABLE: &str = "subscribable";
/// The name of the attribute that carries a stack that may be incomplete.
const COLLECTED: &str = "__collected";

/// Attributes that are certainly not attribute macros: the compiler's own, and those of the usual
/// derives of a serializer.
///
/// `cfg` is not in the list, so that `#[__collected]` comes after it and expands only if the
/// compiler keeps the item.
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

/// Removes the stack from the attributes of an item. Returns the arguments of each attribute in
/// order: the ones in `#[__collected]`, then `args`, then the ones below.
pub(crate) fn gather(args: TokenStream, attrs: &mut Vec<Attribute>) -> Vec<Group> {
    let mut stack = take(attrs, COLLECTED)
        .first()
        .map(|collected| unpack(arguments(collected).stream()))
        .unwrap_or_default();
    stack.push(parenthesize(args, Span::call_site()));
    stack.extend(take(attrs, SUBSCRIBABLE).iter().map(arguments));
    stack
}

/// Removes and returns the attributes whose path ends in `name`.
pub(crate) fn take(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    let (taken, left) = std::mem::take(attrs)
        .into_iter()
        .partition(|a| a.path().segments.last().is_some_and(|s| s.ident == name));
    *attrs = left;
    taken
}

/// Returns whether an attribute is certainly not an attribute macro.
pub(crate) fn is_inert(attr: &Attribute) -> bool {
    let segments = &attr.path().segments;
    // Attributes of tools have several segments (`clippy::…`). Any other such path may be a macro.
    match segments.first() {
        Some(first) if segments.len() == 1 => INERT.iter().any(|name| first.ident == name),
        Some(first) => ["clippy", "diagnostic", "rustfmt"]
            .iter()
            .any(|tool| first.ident == tool),
        None => false,
    }
}

/// Returns the arguments of an attribute, in parentheses that have the span of its path.
fn arguments(attr: &Attribute) -> Group {
    let args = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        // `#[subscribable = ..]` is a mistake. `Attr::parse` reports it at the value.
        Meta::NameValue(pair) => pair.value.to_token_stream(),
    };
    parenthesize(args, attr.path().span())
}

fn parenthesize(args: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, args);
    group.set_span(span);
    group
}

/// Splits the arguments of `#[__collected]`: `(a), (b)` into `(a)` and `(b)`.
pub(crate) fn unpack(args: TokenStream) -> Vec<Group> {
    Punctuated::<Group, Token![,]>::parse_terminated
        .parse2(args)
        .map(|stack| stack.into_iter().collect())
        .unwrap_or_default()
}

/// Returns the path of the `rest-live` crate: the argument `crate = path` of any attribute in the
/// stack, or `::rest_live`.
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
    fn possible_macros_are_not_inert() {
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
    fn packing_keeps_order_and_arguments() {
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
    fn any_attribute_may_name_the_crate() {
        let stack = [
            parse_quote!((public)),
            parse_quote!((crate = vendored::rest_live)),
        ];
        assert_eq!(to_text(&crate_path(&stack)), "vendored::rest_live");
        assert_eq!(to_text(&crate_path(&stack[..1])), "::rest_live");
    }
}
