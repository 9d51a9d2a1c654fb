import type { Check } from "../Check.js"

export const management: ReadonlyArray<Check> = []
