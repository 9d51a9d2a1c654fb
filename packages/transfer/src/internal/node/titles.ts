/** The maximum length of a file name in a title, and the maximum number of its parts. */
const maxName = 255
const maxDepth = 32

/** Returns whether a name cannot lead out of its folder, on any system. */
const isContained = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && name.length <= maxName && !/[\\:\p{Cc}]/u.test(name)

/** Invisible characters, and characters that Windows refuses. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}<>"|?*]/u

/** Names that Windows opens as devices, with any extension, and endings that Windows removes: a dot or a space. */
const reserved = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:[. ]|$)|[. ]$/i

/** The folder with git's configuration and hooks: git runs commands from it. `git~1` is its short name on Windows. */
const git = /^(?:\.git|git~\d+)$/i

const isSafe = (name: string): boolean => !unsafe.test(name) && !reserved.test(name) && !git.test(name)

/**
 * Splits the title of a file into the names of its folders and its file name. Returns `undefined` if the title would lead
 * out of the folder. With `safe`, also returns `undefined` if the title misleads readers, is reserved by a system, or
 * changes what git does.
 */
export const partsOf = (title: string, allowed: "safe" | "any"): ReadonlyArray<string> | undefined => {
  if (title.length > maxDepth * (maxName + 1)) return undefined
  const parts = title.split("/")
  return parts.length <= maxDepth && parts.every(isContained) && (allowed === "any" || parts.every(isSafe))
    ? parts
    : undefined
}
