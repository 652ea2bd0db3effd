//! `#[live]` on an `impl ActiveModelBehavior`: our hooks next to the statement, the user's outside.
//!
//! Before a write the user's hook runs first, so that ours sees what will be written; after it ours
//! runs first, so that a row that is written is told of even if the user's hook fails.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Path, parse::Parser, spanned::Spanned};

use crate::{
    crate_path::default_crate,
    hooks::{cfg_attrs, expand_hooks, is_hook, user_hook_name},
};

/// Expands `#[live]`.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let krate = parse_crate_path(args).unwrap_or_else(|error| {
        errors.push(error);
        default_crate()
    });
    let code = match parse_impl(&item) {
        Err(error) => {
            errors.push(error);
            item
        }
        Ok(hooks) => match find_expanded_hook(&hooks) {
            None => expand_impl(hooks, &krate),
            Some(hook) => {
                let message = format!(
                    "`{}` was expanded by #[async_trait] already: write #[live] above it",
                    hook.sig.ident
                );
                errors.push(syn::Error::new(Span::call_site(), message));
                // Not live, but meant to be: no error wherever it is expected.
                let self_ty = &hooks.self_ty;
                quote!(#hooks impl #krate::LiveModel for #self_ty {})
            }
        },
    };
    let errors = errors.into_iter().map(syn::Error::into_compile_error);
    quote!(#(#errors)* #code)
}

fn parse_crate_path(args: TokenStream) -> syn::Result<Path> {
    let mut krate = None;
    syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            krate = Some(meta.value()?.call(Path::parse_mod_style)?);
            return Ok(());
        }
        Err(meta.error("`live` takes no argument but `crate = path`"))
    })
    .parse2(args)?;
    Ok(krate.unwrap_or_else(default_crate))
}

fn parse_impl(item: &TokenStream) -> syn::Result<ItemImpl> {
    let wrong = |at| {
        syn::Error::new(
            at,
            "#[live] goes on the model's hooks: write `#[live] impl ActiveModelBehavior for ActiveModel {}`",
        )
    };
    let hooks: ItemImpl = syn::parse2(item.clone()).map_err(|_| wrong(Span::call_site()))?;
    let name = match &hooks.trait_ {
        Some((path, ..)) => path.segments.last().map(|segment| &segment.ident),
        None => None,
    };
    match name {
        Some(name) if name == "ActiveModelBehavior" => Ok(hooks),
        Some(name) => Err(wrong(name.span())),
        None => Err(wrong(hooks.self_ty.span())),
    }
}

/// Returns the first hook that `#[async_trait]` was at before us.
fn find_expanded_hook(hooks: &ItemImpl) -> Option<&ImplItemFn> {
    hooks.items.iter().find_map(|item| match item {
        ImplItem::Fn(hook) if is_hook(hook) && hook.sig.asyncness.is_none() => Some(hook),
        _ => None,
    })
}

fn expand_impl(mut item: ItemImpl, krate: &Path) -> TokenStream {
    let (hooks, others): (Vec<_>, Vec<_>) = std::mem::take(&mut item.items)
        .into_iter()
        .partition(|item| matches!(item, ImplItem::Fn(hook) if is_hook(hook)));

    // The user's hooks move to functions of the type's own, as they were written.
    let mut user_hooks = Vec::new();
    for hook in hooks {
        if let ImplItem::Fn(mut hook) = hook {
            hook.sig.ident = user_hook_name(&hook.sig.ident);
            user_hooks.push(hook);
        }
    }
    // The user's own `impl`, for its place in errors.
    item.items = others;
    item.items
        .push(ImplItem::Verbatim(expand_hooks(krate, &user_hooks)));
    let is_async_trait = |attr: &Attribute| {
        let name = attr.path().segments.last();
        name.is_some_and(|s| s.ident == "async_trait")
    };
    let async_trait =
        (!item.attrs.iter().any(is_async_trait)).then(|| quote!(#[#krate::__private::async_trait]));
    let cfg: Vec<_> = cfg_attrs(&item.attrs).collect();
    let self_ty = &item.self_ty;
    quote! {
        #async_trait
        #item
        #(#cfg)*
        #[doc(hidden)]
        impl #self_ty {
            #(#user_hooks)*
        }
        #(#cfg)*
        #[automatically_derived]
        impl #krate::LiveModel for #self_ty {}
    }
}
