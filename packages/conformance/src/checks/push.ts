import type { Check } from "../Check.js"

export const push: ReadonlyArray<Check> = []
