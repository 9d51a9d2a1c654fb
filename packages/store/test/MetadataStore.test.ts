import { Memory } from "@effect-oci/store"
import { metadataStoreSuite } from "./suites/metadataStore.js"

metadataStoreSuite("memory", () => Memory.layerMetadataStore())
