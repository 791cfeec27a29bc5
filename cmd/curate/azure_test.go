//go:build azure

package main

// hasAzure says whether this binary was built with -tags azure.
const hasAzure = true
