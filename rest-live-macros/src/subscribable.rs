//! The driver of `#[subscribable]`: from the stack of attributes and the item to generated code.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, DeriveInput,
    parse::{ParseStream, Parser},
};

use crate::{ast::Serializer, attr::Attr, expand, stack};

/// Expands the first `#[subscribable]` of an item together with the rest of the stack. If one of
/// the other attributes may be a macro, it defers the stack to `#[__collected]`; see [`stack`].
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) => item,
        Err(_) => return reject(item),
    };
    let stack = stack::gather(args, &mut item.attrs);

    if item.attrs.iter().all(stack::is_inert) {
        return expand_stack(stack, &item);
    }
    let krate = stack::crate_path(&stack);
    let collected = quote!(#[#krate::__private::__collected(#(#stack),*)]);
    match Attribute::parse_outer.parse2(collected) {
        Ok(collected) => item.attrs.extend(collected),
        Err(error) => return error.into_compile_error(),
    }
    item.into_token_stream()
}

/// Expands `#[__collected]`: its arguments are the complete stack.
pub(crate) fn expand_collected(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<DeriveInput>(item) {
        Ok(item) => expand_stack(stack::unpack(args), &item),
        Err(error) => error.into_compile_error(),
    }
}

/// Generates the code of a complete stack. The item itself is always part of the output.
fn expand_stack(stack: Vec<Group>, item: &DeriveInput) -> TokenStream {
    let mut errors = Vec::new();
    let attrs = stack
        .into_iter()
        .map(|args| Attr::parse(args, &mut errors))
        .collect();
    let code = match Serializer::new(attrs, item, &mut errors) {
        Some(serializer) if errors.is_empty() => expand::expand_serializer(&serializer),
        serializer => {
            let errors = errors.into_iter().map(syn::Error::into_compile_error);
            let stand_in =
                serializer.map(|serializer| expand::expand_stand_in(&serializer, &item.generics));
            quote!(#(#errors)* #stand_in)
        }
    };
    quote!(#item #code)
}

/// Reports an item that cannot be a serializer. Removes the rest of the stack, which would repeat
/// the error.
fn reject(item: TokenStream) -> TokenStream {
    let error = syn::Error::new(
        Span::call_site(),
        "#[subscribable] goes on the serializer: a struct with named fields",
    )
    .into_compile_error();
    let remove_stack = |input: ParseStream<'_>| {
        let mut attrs = input.call(Attribute::parse_outer)?;
        stack::take(&mut attrs, stack::SUBSCRIBABLE);
        let rest: TokenStream = input.parse()?;
        Ok(quote!(#(#attrs)* #rest))
    };
    let item = remove_stack.parse2(item.clone()).unwrap_or(item);
    quote!(#error #item)
}
