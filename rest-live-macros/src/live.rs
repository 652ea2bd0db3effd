//! The driver of `#[live]`: adds rest-live's hooks to the user's `impl ActiveModelBehavior`.

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
                    "#[async_trait] has already expanded `{}`: write #[live] above #[async_trait]",
                    hook.sig.ident
                );
                errors.push(syn::Error::new(Span::call_site(), message));
                // The model was meant to be live, so code that requires it should not fail as
                // well.
                let self_ty = &hooks.self_ty;
                quote!(#hooks impl #krate::__private::LiveModel for #self_ty {})
            }
        },
    };
    let errors = errors.into_iter().map(syn::Error::into_compile_error);
    quote!(#(#errors)* #code)
}

/// Parses the arguments of `#[live]`.
fn parse_crate_path(args: TokenStream) -> syn::Result<Path> {
    let mut krate = None;
    syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            krate = Some(meta.value()?.call(Path::parse_mod_style)?);
            return Ok(());
        }
        Err(meta.error("`live` takes only the argument `crate = path`"))
    })
    .parse2(args)?;
    Ok(krate.unwrap_or_else(default_crate))
}

/// Parses the item, which must be an `impl ActiveModelBehavior`.
fn parse_impl(item: &TokenStream) -> syn::Result<ItemImpl> {
    let error_at = |span| {
        syn::Error::new(
            span,
            "#[live] goes on the model's hooks: write `#[live] impl ActiveModelBehavior for ActiveModel {}`",
        )
    };
    let hooks: ItemImpl = syn::parse2(item.clone()).map_err(|_| error_at(Span::call_site()))?;
    let name = match &hooks.trait_ {
        Some((path, ..)) => path.segments.last().map(|segment| &segment.ident),
        None => None,
    };
    match name {
        Some(name) if name == "ActiveModelBehavior" => Ok(hooks),
        Some(name) => Err(error_at(name.span())),
        None => Err(error_at(hooks.self_ty.span())),
    }
}

/// Returns the first hook that `#[async_trait]` has already expanded.
fn find_expanded_hook(hooks: &ItemImpl) -> Option<&ImplItemFn> {
    hooks.items.iter().find_map(|item| match item {
        ImplItem::Fn(hook) if is_hook(hook) && hook.sig.asyncness.is_none() => Some(hook),
        _ => None,
    })
}

/// Generates the `impl` with all hooks, and moves the user's hooks to an `impl` of the type
/// itself.
fn expand_impl(mut item: ItemImpl, krate: &Path) -> TokenStream {
    let (hooks, others): (Vec<_>, Vec<_>) = std::mem::take(&mut item.items)
        .into_iter()
        .partition(|item| matches!(item, ImplItem::Fn(hook) if is_hook(hook)));

    let mut user_hooks = Vec::new();
    for hook in hooks {
        if let ImplItem::Fn(mut hook) = hook {
            hook.sig.ident = user_hook_name(&hook.sig.ident);
            user_hooks.push(hook);
        }
    }
    // Keep the user's `impl`, because the compiler shows its place in errors.
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
        impl #krate::__private::LiveModel for #self_ty {}
    }
}
