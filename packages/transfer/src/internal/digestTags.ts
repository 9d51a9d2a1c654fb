import type { Tag } from "@effect-oci/core"

/** The tag of the list of referrers, where a registry has no API for them. Spec: "Referrers Tag Schema". */
const fallback = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64})$/

/** Tags that are made from the digest of a manifest, by cosign and others: `sha256-<hex>.sig`. */
const derived = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64})(?:\.[\w.-]+)?$/

export const isFallback = (tag: Tag.Tag): boolean => fallback.test(tag)

export const isDerived = (tag: Tag.Tag): boolean => derived.test(tag)
